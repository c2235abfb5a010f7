"""What a file ``configs/models/<name>.yaml`` holds: a model, its settings, how it is trained."""

from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from models.settings import Settings


class TrainingConfig(Settings):
    """How a model is trained; see docs/models/daian.md for where the defaults come from.

    Attributes:
        optimizer: ``adam`` or ``adagrad`` (DAIAN 5.1 uses AdaGrad at 0.05).
        learning_rate: Step size; a stage may scale it for some parameters.
        initial_accumulator: AdaGrad's starting sum of squares: the larger, the tamer the first
            steps.
        batch_size: Impressions a step.
        min_steps: Where an epoch has fewer steps, its batches are made smaller, down to 32 rows:
            a small data set is learnt in as many steps.
        max_epochs: Upper bound of a stage that sets none of its own.
        patience: Epochs without improvement on the validation rows before a stage stops.
        grad_clip: Largest global gradient norm; ``None`` for no clipping.
        weight_decay: Decoupled decay of the dense layers' weights, a step's share of the
            learning rate.
        embedding_l2: Decoupled decay of the embedding tables.
        device: ``auto`` takes a GPU when there is one.
        bf16: Matrix products in bfloat16 (weights stay float32).
        compile: Compile the model with ``torch.compile``.
        checkpoint_every: Steps between checkpoints; one is also written after every epoch.
    """

    optimizer: Literal["adam", "adagrad"] = "adam"
    learning_rate: PositiveFloat = 1e-3
    initial_accumulator: NonNegativeFloat = 0.1
    batch_size: PositiveInt = 1024
    min_steps: PositiveInt = 20
    max_epochs: PositiveInt = 10
    patience: PositiveInt = 1
    grad_clip: PositiveFloat | None = None
    weight_decay: NonNegativeFloat = 0.0
    embedding_l2: NonNegativeFloat = 0.0
    device: str = "auto"
    bf16: bool = False
    compile: bool = False
    checkpoint_every: PositiveInt = 200


class CTRConfig(Settings):
    """A model by its registered name, its own settings, and its training."""

    model: str
    settings: dict[str, Any] = Field(default_factory=dict)
    training: TrainingConfig = TrainingConfig()
