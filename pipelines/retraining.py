"""Retraining: the newest window of a growing log, learnt from only where there is a reason to.

The pipeline is dynamic: it looks at a step's result before it goes on, so that a window with
nothing to do costs one look at the log.
"""

from typing import Any, NamedTuple

from zenml import Model, pipeline
from zenml.enums import ExecutionMode

from models.artifacts import ArtifactRef
from pipelines.plan import RetrainingPlan, RetrainingRun, plan_retraining
from steps.adapters.frozen_tokenizer import frozen_tokenizer
from steps.adapters.raw_data import raw_fingerprint
from steps.adapters.releases import champion_hash
from steps.adapters.retraining_windows import champion_reference
from steps.adapters.semantic_ids_in_use import ids_in_use_hash
from steps.adapters.tracking import begin_quickly
from steps.adapters.workspace import begin_run
from steps.append_examples import append_examples
from steps.assign_semantic_ids import assign_semantic_ids
from steps.bin_intents import bin_intents
from steps.build_examples import build_examples
from steps.close_window import close_window
from steps.compare_with_champion import compare_with_champion
from steps.cut_window import cut_window
from steps.decide import decide
from steps.embed_items import embed_items
from steps.evaluate import evaluate
from steps.extend_semantic_ids import extend_semantic_ids
from steps.ingest import ingest
from steps.package_bento import package_bento
from steps.promote_bento import promote_bento
from steps.report_drift import report_drift
from steps.review_tokenizer import review_tokenizer
from steps.select_window import select_window
from steps.train_ctr_model import train_ctr_model
from steps.train_tokenizer import train_tokenizer
from steps.validate import validate
from steps.version_artifacts import version_artifacts


@pipeline(dynamic=True, execution_mode=ExecutionMode.FAIL_FAST)
def retraining(
    dataset: str = "movielens_latest_small",
    encoder: str = "minilm",
    intents: str = "default",
    tokenizer: str = "rqvae",
    model: str = "din",
    baseline: str = "deepfm",
    validation: str = "default",
    drift: str = "default",
    release: str = "default",
    bootstrap: int = 200,
    seed: int = 1,
    retraining: str = "default",
    until: str | None = None,
    window: dict[str, Any] | None = None,
) -> None:
    """Skip the newest window, or go on from the champion, or train in full; release if better."""
    begin_run()
    begin_quickly()
    run = RetrainingRun(
        dataset=dataset, encoder=encoder, intents=intents, tokenizer=tokenizer, model=model,
        baseline=baseline, validation=validation, drift=drift, release=release,
        bootstrap=bootstrap, seed=seed, retraining=retraining, until=until, window=window,
    )  # fmt: skip
    plan = plan_retraining(run)

    # Which window is the newest, and is there anything to do?
    log = ingest(plan.dataset, raw_fingerprint(plan.dataset["settings"]))
    outlook = select_window(log, plan.retraining, plan.line, until, plan.recipe, plan.settings)
    decision = decide(outlook, plan.retraining, plan.recipe, id="decide_whether")
    if decision.load().kind == "skip":
        close_window(outlook, decision, plan.line, plan.settings)
        return

    # What happened in it, can it be trusted, and what do its items mean?
    seen = _look_at(plan, log, outlook, seed)

    # What moved since the champion learnt, and what follows from it?
    champion, drift_report = champion_reference(plan.line), None
    if champion is not None:
        seen, drift_report, decision = _weigh(plan, outlook, seen, champion, seed)
        if decision.load().kind == "skip":
            close_window(outlook, decision, plan.line, plan.settings, seen.examples)
            return

    # Who is better on the newest day, and who goes live?
    released = _train_and_release(run, plan, seen, decision, champion, drift_report)
    close_window(outlook, decision, plan.line, plan.settings, seen.examples, released)


class _Seen(NamedTuple):
    """What the steps made of a window."""

    tables: Any
    verdict: Any
    content: Any
    examples: Any
    labels: Any
    codebooks: Any
    semantic_ids: Any


def _look_at(plan: RetrainingPlan, log: Any, outlook: Any, seed: int) -> _Seen:
    """Represent the window by the tokenizer in use, its examples appended to the last store."""
    tables = cut_window(log, outlook, plan.dataset)
    verdict = validate(tables, plan.dataset, plan.validation)
    content = embed_items(tables, verdict, plan.encoder)
    previous = outlook.load().examples
    if previous is not None:
        examples = append_examples(previous, tables, verdict, plan.dataset, seed)
    else:
        examples = build_examples(tables, verdict, plan.dataset, seed)
    labels = bin_intents(examples, content, plan.intents)
    frozen = frozen_tokenizer(plan.line, content.load())
    if frozen is not None:
        made = extend_semantic_ids(frozen.ids, frozen.tokenizer, content, tables)
        named = {one.output_name: one for one in made}  # they come in any order
        ids, codebooks = named["semantic_ids"], named["tokenizer"]
    else:
        codebooks, ids = _new_tokenizer(plan, content, tables, seed)
    return _Seen(tables, verdict, content, examples, labels, codebooks, ids)


def _weigh(
    plan: RetrainingPlan, outlook: Any, seen: _Seen, champion: ArtifactRef, seed: int
) -> tuple[_Seen, Any, Any]:
    """Decide by what drifted; renew the tokenizer, or build the store anew, where that is due."""
    drift_report = report_drift(
        champion, seen.examples, seen.labels, seen.semantic_ids, seen.tables, plan.dataset,
        plan.drift, plan.line,
    )  # fmt: skip
    review = review_tokenizer(seen.semantic_ids, seen.codebooks, drift_report, plan.retraining)
    decision = decide(outlook, plan.retraining, plan.recipe, drift_report, review, id="decide_how")
    kind = decision.load().kind
    if kind != "skip" and review.load().renew:
        codebooks, ids = _new_tokenizer(plan, seen.content, seen.tables, seed)
        seen = seen._replace(codebooks=codebooks, semantic_ids=ids)
    if kind == "full" and outlook.load().examples is not None:
        examples = build_examples(
            seen.tables, seen.verdict, plan.dataset, seed, id="rebuild_examples"
        )
        labels = bin_intents(examples, seen.content, plan.intents, id="rebin_intents")
        seen = seen._replace(examples=examples, labels=labels)
    return seen, drift_report, decision


def _new_tokenizer(plan: RetrainingPlan, content: Any, tables: Any, seed: int) -> tuple[Any, Any]:
    """Train a tokenizer, and let its gate hold it to the one in use."""
    codebooks = train_tokenizer(content, plan.tokenizer, seed)
    ids = assign_semantic_ids(
        codebooks, content, tables, plan.tokenizer, plan.line, ids_in_use_hash(plan.line)
    )
    return codebooks, ids


def _train_and_release(
    run: RetrainingRun,
    plan: RetrainingPlan,
    seen: _Seen,
    decision: Any,
    champion: ArtifactRef | None,
    drift_report: Any,
) -> Any:
    """Train the challenger, and release it where it beats the champion on the same newest day."""
    tables, _, content, examples, labels, codebooks, semantic_ids = seen
    inputs = (examples, content, labels)
    settings = plan.warm_model if decision.load().kind == "warm" else plan.model
    challenger = train_ctr_model(*inputs, settings, run.seed, decision, champion)
    other = champion or train_ctr_model(*inputs, plan.baseline, run.seed, id="train_baseline")
    evaluation = evaluate(challenger, other, examples, labels, tables, run.bootstrap, run.seed)
    if drift_report is None:
        drift_report = report_drift(
            challenger, examples, labels, semantic_ids, tables, plan.dataset, plan.drift, plan.line
        )
    bento = package_bento(challenger, plan.line)
    comparison = compare_with_champion(
        challenger, evaluation, examples, labels, plan.release, plan.line,
        champion_hash(plan.line), run.bootstrap, run.seed, bento, drift_report, semantic_ids,
    )  # fmt: skip
    release = promote_bento.with_options(model=Model(name=plan.line))
    released = release(bento, comparison, evaluation, plan.line, plan.release)
    version_artifacts(
        [
            tables, seen.verdict, examples, content, labels, codebooks, semantic_ids,
            challenger, evaluation, drift_report, comparison,
        ],
        released,
        plan.line,
    )  # fmt: skip
    return released
