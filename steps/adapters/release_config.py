"""What a file ``configs/release/<name>.yaml`` holds: when a challenger may replace the champion."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from models.settings import Settings

Metric = Literal["auc", "gauc", "log_loss"]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class GateConfig(Settings):
    """The rules of the gate; see docs/how-to/promote-and-roll-back.md.

    Attributes:
        primary: The metric the challenger must win on.
        min_gain: The whole 95 % interval of the primary metric's gain must lie above this; below 0
            it is the loss one would accept, and the rule says "not worse" instead of "better".
        tolerances: Metric → how much worse than the champion the 95 % interval may reach.
        min_auc: A challenger below this test AUC never serves.
        max_ece: A challenger with a larger expected calibration error never serves.
        min_examples: With fewer test impressions nothing is decided.
    """

    primary: Metric = "auc"
    min_gain: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.0
    tolerances: dict[Metric, NonNegativeFloat] = {}
    min_auc: Share = 0.5
    max_ece: Share = 1.0
    min_examples: NonNegativeInt = 0


class ReleaseConfig(Settings):
    """How versions are released.

    Attributes:
        gate: When a challenger may replace the champion.
    """

    gate: GateConfig = GateConfig()
