"""What a benchmark of models over seeds found, JSON-able: its tables and its page read this."""

from models.reports.results import GroupTable, IntentFit, Result

Value = str | int | float | None


class Cell(Result):
    """One model trained with one seed, and what the test split says of it.

    Attributes:
        variant: Name of the variant in the pipeline file.
        seed: Seed of the training.
        key: Digest of all that determines the cell: data, settings, seed, code.
        model: Registered name of the model.
        metrics: auc, gauc, log_loss, ece, normalised_entropy on the test split.
        intent: Fit of the predicted to the true intents, for models that predict one.
        groups: Metrics by group; ``intent_diversity`` is DAIAN Figure 6's.
        history: A row an epoch, as in ``history.jsonl``: stage, epoch, train/…, valid/….
        parameters: Number of weights, embedding tables included.
        seconds: Training, wall clock; the sum over its starts where it was resumed.
        cpu_seconds: Processor time of the training and all its threads, likewise.
        peak_bytes: Most memory the training needed: of its process, or of the GPU.
        score_seconds: Scoring of the test split, wall clock.
        threads: Threads it computed with.
    """

    variant: str
    seed: int
    key: str
    model: str
    metrics: dict[str, float | None]
    intent: IntentFit | None = None
    groups: list[GroupTable] = []
    history: list[dict[str, Value]] = []
    parameters: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    score_seconds: float
    threads: int


class Row(Result):
    """One variant over its seeds.

    Attributes:
        variant: Its name.
        model: Registered name of its model.
        seeds: Number of finished cells.
        mean: Mean over seeds: the metrics, parameters, seconds, cpu_seconds, peak_bytes,
            score_seconds, and ``js/<population>`` where the model predicts intents.
        sd: Their sample standard deviation; None with fewer than two seeds.
        rela_impr: Percent by which the mean AUC and GAUC improve on the base's lead over 0.5
            (DAIAN Eq. 24); None where the base has none.
        p: One-sided rank-sum p-value that the main variant's AUC and GAUC are above this one's;
            None for the main variant itself and with fewer than two seeds.
    """

    variant: str
    model: str
    seeds: int
    mean: dict[str, float]
    sd: dict[str, float | None]
    rela_impr: dict[str, float | None]
    p: dict[str, float | None]


class Sweep(Result):
    """One setting over its values (DAIAN Figure 7).

    Attributes:
        key: The setting, ``levels`` for instance.
        label: What the axis calls it.
        values: Its values.
        variants: The variant of each value, in the same order.
    """

    key: str
    label: str
    values: list[float]
    variants: list[str]


class BenchmarkResult(Result):
    """A grid of variants and seeds on one split.

    Attributes:
        name: File name of the pipeline file, without its ending.
        title: What the page is headed with.
        facts: What reproduces the figures: commit, data, settings, seeds, command.
        base: The variant that RelaImpr is relative to.
        main: The variant whose superiority the p-values test.
        sweep: Set where the variants are one setting's values.
        rows: A row a variant, in the order of the file.
        cells: The finished cells, by variant, then by seed.
        incomplete: Cells that are missing, each with the reason.
    """

    name: str
    title: str
    facts: dict[str, str]
    base: str
    main: str
    sweep: Sweep | None = None
    rows: list[Row]
    cells: list[Cell]
    incomplete: list[str] = []
