"""What a file ``configs/models/<name>.yaml`` holds: a model, its settings, how it is trained."""

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from models.settings import Settings

Share = Annotated[float, Field(gt=0.0, le=1.0)]


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
        monitor: The validation figure by which a stage on the click loss stops and keeps its best
            epoch; ``None`` takes the stage's own, ``valid/auc``.
        min_delta: What the figure has to gain to count as an improvement.
        schedule: Course of the learning rate over a stage's steps: ``constant``, or ``linear`` or
            ``cosine`` down to zero at ``max_epochs``.
        warmup_steps: Steps over which a stage's learning rate rises from zero, evenly.
        grad_clip: Largest global gradient norm; ``None`` for no clipping.
        positive_weight: Weight of a click in the click loss; a non-click has 1. Probabilities are
            corrected for it.
        keep_negatives: Share of the train split's non-clicks that is used, drawn once by the seed.
            Probabilities are corrected for it (He et al., ADKDD 2014, 6.3).
        log_negative_rate: Share of non-clicks that was kept when the log itself was sampled, all
            splits alike, or ``store`` for the ``negative_rate`` of the store's summary.
            Probabilities are corrected to the rate before that sampling, after the calibration.
        calibration: Fitted on the validation rows after training: ``platt``, ``isotonic`` or
            ``none``; see docs/how-to/train-and-resume.md.
        weight_decay: Decoupled decay of the dense layers' weights, a step's share of the
            learning rate.
        embedding_l2: Decoupled decay of the embedding tables.
        length_buckets: Batches of about equal history length are put together from this many
            batches of shuffled rows, so that less is padded; 1 leaves the rows as shuffled.
        new_rows: What a warm start gives ids and values the older model did not know: ``initial``
            weights as in any training, or those of its ``unknown`` row.
        device: ``auto`` takes a GPU when there is one.
        store_on_device: Whether the examples lie in the device's memory: ``auto`` on a GPU where
            they take at most half of what is free, ``always``, ``never``.
        deterministic: Only algorithms that give equal bits every time, also on a GPU; an operation
            that has none is an error.
        float32_products: ``fastest`` measures this machine at the start and may take another way
            to multiply, as exact to six digits; a run then no longer repeats to the last bit.
        bf16: Matrix products in bfloat16 (weights stay float32). A gain on GPUs; a CPU without AMX
            is quicker without.
        compile: Compile the loss with ``torch.compile``.
        cuda_graphs: Compile it so that a GPU replays each shape of batch as one CUDA graph.
        checkpoint_every: Steps between checkpoints; one is also written after every epoch.
        checkpoint_seconds: A checkpoint within an epoch comes at least so long after the last one.
            Twenty times as long as the last one took to write is kept between any two.
    """

    optimizer: Literal["adam", "adagrad"] = "adam"
    learning_rate: PositiveFloat = 1e-3
    initial_accumulator: NonNegativeFloat = 0.1
    batch_size: PositiveInt = 1024
    min_steps: PositiveInt = 20
    max_epochs: PositiveInt = 10
    patience: PositiveInt = 1
    monitor: Literal["valid/auc", "valid/log_loss"] | None = None
    min_delta: NonNegativeFloat = 0.0
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_steps: NonNegativeInt = 0
    grad_clip: PositiveFloat | None = None
    weight_decay: NonNegativeFloat = 0.0
    embedding_l2: NonNegativeFloat = 0.0
    positive_weight: PositiveFloat = 1.0
    keep_negatives: Share = 1.0
    log_negative_rate: Share | Literal["store"] | None = None
    calibration: Literal["none", "platt", "isotonic"] = "none"
    length_buckets: PositiveInt = 1
    new_rows: Literal["initial", "unknown"] = "initial"
    device: str = "auto"
    store_on_device: Literal["auto", "always", "never"] = "auto"
    deterministic: bool = False
    float32_products: Literal["highest", "fastest"] = "highest"
    bf16: bool = False
    compile: bool = False
    cuda_graphs: bool = False
    checkpoint_every: PositiveInt = 200
    checkpoint_seconds: NonNegativeFloat = 20.0


class CTRConfig(Settings):
    """A model by its registered name, its own settings, and its training."""

    model: str
    settings: dict[str, Any] = Field(default_factory=dict)
    training: TrainingConfig = TrainingConfig()
