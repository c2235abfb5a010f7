"""The whole path: from raw events to a promoted, monitored scoring service."""

from zenml import pipeline
from zenml.enums import ExecutionMode

from pipelines.plan import RunConfig, plan_run
from steps.adapters.raw_data import raw_fingerprint
from steps.adapters.releases import champion_hash
from steps.adapters.semantic_ids_in_use import ids_in_use_hash
from steps.adapters.tracking import begin_quickly, name_model
from steps.adapters.workspace import begin_run
from steps.assign_semantic_ids import assign_semantic_ids
from steps.bin_intents import bin_intents
from steps.build_examples import build_examples
from steps.compare_with_champion import compare_with_champion
from steps.embed_items import embed_items
from steps.evaluate import evaluate
from steps.ingest import ingest
from steps.package_bento import package_bento
from steps.promote_bento import promote_bento
from steps.report_drift import report_drift
from steps.train_ctr_model import train_ctr_model
from steps.train_tokenizer import train_tokenizer
from steps.validate import validate
from steps.version_artifacts import version_artifacts


@pipeline(execution_mode=ExecutionMode.FAIL_FAST)
def workflow(
    dataset: str = "movielens_latest_small",
    encoder: str = "minilm",
    intents: str = "default",
    tokenizer: str = "rqvae",
    model: str = "daian",
    baseline: str = "din",
    validation: str = "default",
    drift: str = "default",
    release: str = "default",
    bootstrap: int = 200,
    seed: int = 1,
) -> None:
    """Train, evaluate and release an intent-aware CTR model; each name is a file in configs/."""
    begin_run()
    begin_quickly()
    plan = plan_run(
        RunConfig(
            dataset=dataset, encoder=encoder, intents=intents, tokenizer=tokenizer, model=model,
            baseline=baseline, validation=validation, drift=drift, release=release,
        )
    )  # fmt: skip
    name_model(plan.line)

    # What happened, and can it be trusted?
    tables = ingest(plan.dataset, raw_fingerprint(plan.dataset["settings"]))
    verdict = validate(tables, plan.dataset, plan.validation)

    # What do the items mean, and what do clicks after a trigger tell of intent?
    examples = build_examples(tables, verdict, plan.dataset, seed)
    content = embed_items(tables, verdict, plan.encoder)
    labels = bin_intents(examples, content, plan.intents)
    codebooks = train_tokenizer(content, plan.tokenizer, seed)
    semantic_ids = assign_semantic_ids(
        codebooks, content, tables, plan.tokenizer, plan.line, ids_in_use_hash(plan.line)
    )

    # Who will click what?
    base = train_ctr_model(examples, content, labels, plan.baseline, seed, id="train_baseline")
    challenger = train_ctr_model(examples, content, labels, plan.model, seed)
    evaluation = evaluate(challenger, base, examples, labels, tables, bootstrap, seed)
    drift_report = report_drift(
        challenger, examples, labels, semantic_ids, tables, plan.dataset, plan.drift, plan.line
    )

    # Does it go live?
    bento = package_bento(challenger, plan.line)
    comparison = compare_with_champion(
        challenger, evaluation, examples, labels, plan.release, plan.line,
        champion_hash(plan.line), bootstrap, seed, bento, drift_report, semantic_ids,
    )  # fmt: skip
    released = promote_bento(bento, comparison, evaluation, plan.line, plan.release)
    version_artifacts(
        [
            tables, verdict, examples, content, labels, codebooks, semantic_ids,
            base, challenger, evaluation, drift_report, comparison,
        ],
        released,
        plan.line,
    )  # fmt: skip
