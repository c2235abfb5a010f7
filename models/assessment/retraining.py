"""Whether a window is worth a training, and which: skip, warm start or full, with every reason."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from models.assessment.drift_verdict import DriftGroup, DriftVerdict
from models.data.watermark import DAY_S, Window, WindowRules, told_time
from models.settings import Settings, digest

Kind = Literal["skip", "warm", "full"]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class DecisionRules(Settings):
    """When a window is trained on, and how.

    Attributes:
        min_fresh: With fewer impressions that no training has seen, nothing is done.
        only_when_drifted: Without drift nothing is done either.
        full_every_days: A champion whose last full training ends earlier than this before the
            newest one would is trained in full; null for never.
        full_when_drifted: Groups of the drift report whose drift a warm start does not cure.
    """

    min_fresh: PositiveInt = 1000
    only_when_drifted: bool = False
    full_every_days: PositiveFloat | None = 28
    full_when_drifted: tuple[DriftGroup, ...] = ("embeddings",)


class WarmRules(Settings):
    """How a warm start learns.

    Attributes:
        replay_share: Share of the older train requests that is learnt from again.
        training: Training settings that differ from the model's own, such as fewer epochs.
    """

    replay_share: Share = 0.1
    training: dict[str, Any] = {}


class TokenizerRules(Settings):
    """When the tokenizer in use no longer fits the catalogue, so that a new one is trained.

    Attributes:
        min_utilisation: Least share of a level's codes in use, on the worst level.
        min_unique_rate: Least number of different code tuples per item.
        max_fvu: Largest share of the embeddings' variance that the codes may lose.
        max_fvu_growth: The same, as a multiple of what it was on the items it was trained on.
        max_new_items: Largest share of items it was not trained on.
        when_embeddings_drift: Whether drift of the shown items' embeddings calls for a new one.
    """

    min_utilisation: Share = 0.0
    min_unique_rate: Share = 0.0
    max_fvu: PositiveFloat = 1.0
    max_fvu_growth: Annotated[float, Field(ge=1.0)] = 1.5
    max_new_items: Share = 0.5
    when_embeddings_drift: bool = True


class RetrainingConfig(Settings):
    """A file of ``configs/retraining``."""

    window: WindowRules = WindowRules()
    decision: DecisionRules = DecisionRules()
    warm: WarmRules = WarmRules()
    tokenizer: TokenizerRules = TokenizerRules()


class Champion(BaseModel):
    """What is known of the model in production.

    Attributes:
        model_hash: Content hash of its folder.
        recipe: `recipe` of the settings it was trained by; "" for one of another pipeline.
        trained_until_s: Time of its newest train row; ``None`` where it is not known.
        full_until_s: The same of the last full training it goes back to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model_hash: str
    recipe: str = ""
    trained_until_s: int | None = None
    full_until_s: int | None = None


class Decision(BaseModel):
    """What is done with a window.

    Attributes:
        kind: ``skip``, ``warm`` or ``full``.
        reasons: Every rule that spoke, in numbers; for ``skip`` the one that decided.
        recipe: Settings a model must share with the champion to be started from it.
        champion: Content hash of the champion; "" before the first release.
        since_s: A warm start learns from train rows newer than this, UTC seconds.
        full_until_s: The newest train row of the last full training, for ``warm``.
        replay_share: Share of older requests that a warm start learns from again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    reasons: tuple[str, ...]
    recipe: str = ""
    champion: str = ""
    since_s: int | None = None
    full_until_s: int | None = None
    replay_share: float = 0.0

    @property
    def sentence(self) -> str:
        """The decision in one line."""
        names = {"skip": "Skip", "warm": "Warm start", "full": "Full training"}
        return f"{names[self.kind]}: {' '.join(self.reasons)}"


def recipe_of(plan: Mapping[str, Any]) -> str:
    """Return a digest of the settings that a warm start must share with the older model.

    Args:
        plan: The settings of ``dataset``, ``encoder``, ``intents`` and ``model``; how long a
            training takes and how rows are divided may differ.
    """
    examples = {**plan["dataset"]["examples"], "split": None}
    model = {key: plan["model"][key] for key in ("model", "settings")}
    data = {key: plan["dataset"][key] for key in ("adapter",)}
    return digest([data, examples, plan["encoder"], plan["intents"], model])[:16]


def decide(
    window: Window,
    champion: Champion | None,
    drift: DriftVerdict | None,
    config: RetrainingConfig,
    recipe: str,
    *,
    renewed: bool = False,
) -> Decision:
    """Return what to do with a window.

    Args:
        window: The window, its fresh rows counted.
        champion: The model in production; ``None`` before the first release.
        drift: The drift verdict; ``None`` while it is not known, or not needed.
        config: The rules.
        recipe: `recipe_of` the settings of this run.
        renewed: Whether the items get a new tokenizer, and so other semantic IDs.
    """
    rules = config.decision
    if champion is None:
        return Decision(kind="full", reasons=("No version is in production yet.",), recipe=recipe)
    if window.fresh < rules.min_fresh:
        reason = f"{window.fresh} new impressions (rule: at least {rules.min_fresh})."
        return _decision("skip", [reason], champion, recipe)
    if rules.only_when_drifted and drift is not None and not (drift.drifted or renewed):
        return _decision("skip", [f"Nothing drifted. {drift.summary}"], champion, recipe)
    if champion.recipe == recipe and (champion.trained_until_s or 0) >= newest_train_s(
        window, config
    ):
        reason = (
            f"The champion has learnt up to {told_time(champion.trained_until_s or 0)} already."
        )
        return _decision("skip", [reason], champion, recipe)
    full = ["A new tokenizer gives the items other semantic IDs."] if renewed else []
    full += list(_against_a_warm_start(window, champion, drift, config, recipe))
    if full:
        return _decision("full", full, champion, recipe)
    reasons = [
        f"{window.fresh} new impressions, {window.late} of them late.",
        f"The champion has learnt up to {told_time(champion.trained_until_s or 0)}.",
        *([drift.summary] if drift is not None else []),
    ]
    warm = _decision("warm", reasons, champion, recipe)
    return warm.model_copy(
        update={
            "since_s": champion.trained_until_s,
            "full_until_s": champion.full_until_s,
            "replay_share": config.warm.replay_share,
        }
    )


def newest_train_s(window: Window, config: RetrainingConfig) -> float:
    """Return where the train rows of a window end, UTC seconds."""
    return window.end_s - (config.window.valid_days + config.window.test_days) * DAY_S


def _against_a_warm_start(
    window: Window,
    champion: Champion,
    drift: DriftVerdict | None,
    config: RetrainingConfig,
    recipe: str,
) -> Iterable[str]:
    """Yield every reason for a full training."""
    rules = config.decision
    if not champion.recipe or champion.trained_until_s is None or champion.full_until_s is None:
        yield "What the champion learnt from is not known: another pipeline trained it."
        return
    if champion.recipe != recipe:
        yield "The settings of data, encoder, intents or model differ from the champion's."
    age = (newest_train_s(window, config) - champion.full_until_s) / DAY_S
    if rules.full_every_days is not None and age >= rules.full_every_days:
        yield (
            f"The last full training ends {age:.1f} days before this one would "
            f"(rule: every {rules.full_every_days:g})."
        )
    moved = drift.groups if drift is not None else {}
    for name in rules.full_when_drifted:
        if name in moved and moved[name].drifted:
            yield f"Drift of {name.replace('_', ' ')}: {moved[name].sentence}"


def _decision(kind: Kind, reasons: list[str], champion: Champion, recipe: str) -> Decision:
    return Decision(kind=kind, reasons=tuple(reasons), recipe=recipe, champion=champion.model_hash)
