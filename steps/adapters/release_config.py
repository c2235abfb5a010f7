"""What a file ``configs/release/<name>.yaml`` holds: when a challenger may replace the champion."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from models.reports.drift_results import DriftGroup
from models.settings import Settings
from steps.adapters.notify import NotifyConfig

Metric = Literal["auc", "gauc", "log_loss"]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class GateConfig(Settings):
    """The rules of the gate; see docs/how-to/promote-and-roll-back.md. ``None`` is no rule.

    Attributes:
        primary: The metric the challenger must win on.
        min_gain: The whole 95 % interval of the primary metric's gain must lie above this; below 0
            it is the loss one would accept, and the rule says "not worse" instead of "better".
        tolerances: Metric → how much worse than the champion the 95 % interval may reach.
        min_auc: A challenger below this test AUC never serves.
        max_ece: A challenger with a larger expected calibration error never serves.
        max_ece_rise: How much larger it may be than the champion's on the same impressions.
        min_examples: With fewer test impressions nothing is decided.
        max_group_loss: No group of impressions may for certain lose more GAUC than this: the upper
            end of the 95 % interval of its gain must not lie below.
        min_group_impressions: Smaller groups are left out of that rule.
        max_latency_ms: Largest 95th percentile of the time for one request, in milliseconds.
        max_latency_ratio: How many times the champion's it may be, measured in turns.
        latency_candidates: Candidates of each request that is timed.
        max_size_mb: Largest Bento, in 10^6 bytes.
        parity: Largest difference between the probabilities of the packaged Bento and those of the
            trainer's scorer.
        parity_examples: Test impressions the Bento is asked for.
        block_on_drift: Groups of columns whose drift keeps every challenger back.
        same_tokenizer: Whether the semantic IDs must be those of the tokenizer in use.
    """

    primary: Metric = "auc"
    min_gain: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.0
    tolerances: dict[Metric, NonNegativeFloat] = {}
    min_auc: Share = 0.5
    max_ece: Share = 1.0
    max_ece_rise: NonNegativeFloat | None = None
    min_examples: NonNegativeInt = 0
    max_group_loss: NonNegativeFloat | None = None
    min_group_impressions: PositiveInt = 200
    max_latency_ms: PositiveFloat | None = None
    max_latency_ratio: PositiveFloat | None = None
    latency_candidates: Annotated[int, Field(ge=1, le=5000)] = 100
    max_size_mb: PositiveFloat | None = None
    parity: NonNegativeFloat | None = None
    parity_examples: Annotated[int, Field(ge=1, le=10_000)] = 64
    block_on_drift: tuple[DriftGroup, ...] = ()
    same_tokenizer: bool = False


class ReleaseConfig(Settings):
    """How versions are released.

    Attributes:
        gate: When a challenger may replace the champion.
        on_approval: Whether an approved challenger goes into production by itself, or waits in
            staging until somebody promotes it.
        notify: Who is told what became of a challenger.
    """

    gate: GateConfig = GateConfig()
    on_approval: Literal["promote", "stage"] = "promote"
    notify: tuple[NotifyConfig, ...] = ()
