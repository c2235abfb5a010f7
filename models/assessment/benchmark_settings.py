"""The settings of a benchmark: which models, with which changes, over which seeds."""

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from models.ctr.config import CTRConfig
from models.settings import Settings, digest

Name = Annotated[str, Field(pattern=r"^[^\s|][^\n|]{0,59}$")]
SECTIONS = ("settings", "training", "intents")


class VariantConfig(Settings):
    """A model and what this variant of it changes.

    Attributes:
        name: What tables and figures call it.
        model: A file of ``configs/models``.
        settings: Keys of the model's own settings that take the place of the file's.
        training: Keys of its training, likewise.
        intents: Keys of the intent levels, likewise.
    """

    name: Name
    model: str
    settings: dict[str, Any] = {}
    training: dict[str, Any] = {}
    intents: dict[str, Any] = {}


class SweepConfig(Settings):
    """One variant taken over the values of one setting, in place of that variant.

    Attributes:
        variant: The variant; those made of it are called ``<variant> <key>=<value>``.
        key: Section and key: ``intents.levels``, ``settings.dropout``, ``training.batch_size``.
        values: What the key is set to, a variant each.
        label: What the figure's axis calls it; the key by default.
    """

    variant: str
    key: Annotated[str, Field(pattern=rf"^({'|'.join(SECTIONS)})\.\w+$")]
    values: Annotated[list[float | int], Field(min_length=2)]
    label: str | None = None

    @property
    def setting(self) -> str:
        """Return the key without its section."""
        return self.key.split(".")[1]

    def name_of(self, value: float) -> str:
        """Return the name of the variant with ``value``."""
        return f"{self.variant} {self.setting}={value:g}"


class Variant(Settings):
    """A variant with all settings filled in.

    Attributes:
        name: Its name.
        model: Model, settings and training.
        intents: Which of the plan's intent levels it is trained on.
    """

    name: Name
    model: CTRConfig
    intents: NonNegativeInt


class BenchmarkPlan(Settings):
    """Every setting of a benchmark, checked, as plain values.

    Attributes:
        name: Name of the benchmark.
        title: What its page is headed with.
        line: The data set's name.
        dataset: The data set.
        encoder: The encoder of the items.
        validation: The validation suite.
        names: The files that data set, encoder and intents come from, as facts of the report.
        intents: The distinct intent levels that variants are trained on.
        variants: The variants, those of a sweep included.
        seeds: Seeds of the trainings.
        base: The variant that RelaImpr is relative to.
        main: The variant whose superiority the p-values test.
        sweep: The swept setting.
        examples_seed: Seed of the examples: sampled negatives, for instance.
        jobs: Trainings at a time; ``auto`` for as many as the cores bear, one on a GPU.
        threads: Threads of each.
        keep_models: Keep every trained model beside its figures.
        allow_incomplete: Whether a benchmark with failed cells ends well.
        measure: Whether to train what is not finished; a report without may always be incomplete.
        command: What runs it again.
    """

    name: Name
    title: str
    line: str
    dataset: dict[str, Any]
    encoder: dict[str, Any]
    validation: dict[str, Any]
    names: dict[str, str]
    intents: list[dict[str, Any]]
    variants: Annotated[list[Variant], Field(min_length=1)]
    seeds: Annotated[list[int], Field(min_length=1)]
    base: str
    main: str
    sweep: SweepConfig | None = None
    examples_seed: int
    jobs: PositiveInt | Literal["auto"]
    threads: PositiveInt
    keep_models: bool
    allow_incomplete: bool
    measure: bool
    command: str

    @model_validator(mode="after")
    def _names_fit(self) -> "BenchmarkPlan":
        names = [variant.name for variant in self.variants]
        for kind, values in (("variants", names), ("seeds", self.seeds)):
            twice = [str(value) for value, count in Counter(values).items() if count > 1]
            if twice:
                raise ValueError(f"{kind} named more than once: {', '.join(twice)}")
        for role in ("base", "main"):
            if getattr(self, role) not in names:
                raise ValueError(
                    f"{role} = {getattr(self, role)!r} is none of the variants: {', '.join(names)}"
                )
        return self

    @property
    def digest(self) -> str:
        """Names the settings that figures depend on."""
        how = {"jobs", "threads", "keep_models", "allow_incomplete", "measure", "command"}
        return digest(self.model_dump(mode="json", exclude=how))[:8]
