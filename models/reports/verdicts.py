"""The verdicts that gates write as JSON and pages show to people."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator


class Verdict(BaseModel):
    """Base of the verdicts: JSON-able, and unknown keys are left out, so older code reads newer."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class Check(Verdict):
    """One expectation and how the data met it.

    Attributes:
        table: The canonical table looked at.
        column: The column, or "" for the table as a whole.
        expectation: What was expected, in plain words.
        severity: "critical" stops the run, "warning" is listed.
        passed: Whether the data meet it.
        observed: What was seen, in plain words.
        unexpected_count: Number of rows that do not meet it.
        examples: Up to five of those rows or values.
    """

    table: str
    column: str = ""
    expectation: str
    severity: Literal["critical", "warning"] = "critical"
    passed: bool
    observed: str = ""
    unexpected_count: int = 0
    examples: tuple[str, ...] = ()


class DirtyReason(Verdict):
    """How many rows of a table were left out when it was read, for one reason."""

    table: str
    column: str
    reason: str
    rows: int


class DirtySample(Verdict):
    """One of them: where it stands, and what stands there."""

    table: str
    file: str
    row: int
    column: str
    value: str | None
    reason: str


class ValidationVerdict(Verdict):
    """Whether the tables may be used: ``passed`` unless a critical check failed.

    Attributes:
        passed: Whether no critical check failed.
        checks: What was looked at.
        rows: Rows of each table.
        note: What was not looked at on every row, "" where everything was.
        dirty_rows: Rows left out when the raw files were read, by reason.
        dirty_samples: Some of them.
    """

    passed: bool
    checks: tuple[Check, ...] = ()
    rows: dict[str, int] = {}
    note: str = ""
    dirty_rows: tuple[DirtyReason, ...] = ()
    dirty_samples: tuple[DirtySample, ...] = ()

    @property
    def critical(self) -> tuple[Check, ...]:
        """The failed critical checks."""
        return tuple(c for c in self.checks if not c.passed and c.severity == "critical")

    @property
    def warnings(self) -> tuple[Check, ...]:
        """The failed checks that do not stop the run."""
        return tuple(c for c in self.checks if not c.passed and c.severity == "warning")

    @model_validator(mode="after")
    def _passed_follows_from_checks(self) -> "ValidationVerdict":
        if self.passed == bool(self.critical):
            raise ValueError("passed must be false exactly when a critical check failed")
        return self


class DriftColumn(Verdict):
    """One column compared between the reference and the current window.

    Attributes:
        name: The column.
        group: "feature", "label", "intent", "semantic id", "score" or the like.
        method: The distance or test.
        statistic: Its value; None if it could not be computed.
        threshold: Where drift begins.
        drifted: Whether the statistic is past the threshold.
        reference: The reference window in a few words ("mean 0.21").
        current: The current window in a few words.
    """

    name: str
    group: str
    method: str
    statistic: float | None
    threshold: float
    drifted: bool
    reference: str = ""
    current: str = ""


class DriftVerdict(Verdict):
    """Whether the current window differs from the reference window."""

    drifted: bool
    columns: tuple[DriftColumn, ...] = ()
    reference_rows: int | None = None
    current_rows: int | None = None
    reasons: tuple[str, ...] = ()


class MetricDifference(Verdict):
    """One metric of challenger and champion on the same examples; None where it does not exist.

    Attributes:
        metric: "auc", "gauc", "log_loss" …
        challenger: The challenger's value.
        champion: The champion's value.
        difference: Challenger minus champion.
        low: Lower end of the 95 % interval of the difference (paired user bootstrap).
        high: Upper end of it.
        p: Two-sided bootstrap p-value.
        higher_is_better: False for losses.
    """

    metric: str
    challenger: float | None
    champion: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    higher_is_better: bool = True


class GroupGain(Verdict):
    """What a group of impressions gains or loses by the challenger.

    Attributes:
        group: Which one, in words.
        impressions: How many it has.
        difference: Challenger minus champion, GAUC inside the group; None if it does not exist.
        low: Lower end of the 95 % interval (paired user bootstrap).
        high: Upper end of it.
    """

    group: str
    impressions: int
    difference: float | None
    low: float | None = None
    high: float | None = None


class Observed(Verdict):
    """What the guardrails look at besides the metrics; None where it was not looked at.

    Attributes:
        ece: The challenger's expected calibration error.
        champion_ece: The champion's on the same impressions.
        groups: What each group of impressions gains.
        latency_ms: The 95th percentile of the time the challenger takes for a request.
        champion_latency_ms: The champion's for the same requests, asked in turns.
        latency_candidates: Candidates of each of these requests.
        size_mb: Size of the challenger's Bento, in 10^6 bytes.
        parity: Largest difference between the probabilities of the packaged Bento, asked by
            requests, and those of the trainer's scorer.
        parity_examples: Test impressions it was asked for.
        drifted: The groups of columns that drifted.
        tokenizer: Hash of the tokenizer behind the challenger's semantic IDs.
        champion_tokenizer: Hash of the one in use; "" where none is.
    """

    ece: float | None = None
    champion_ece: float | None = None
    groups: tuple[GroupGain, ...] = ()
    latency_ms: float | None = None
    champion_latency_ms: float | None = None
    latency_candidates: int = 0
    size_mb: float | None = None
    parity: float | None = None
    parity_examples: int = 0
    drifted: tuple[str, ...] | None = None
    tokenizer: str | None = None
    champion_tokenizer: str = ""


class Rule(Verdict):
    """One rule of the gate, and how the challenger met it.

    Attributes:
        name: The rule's name in the configuration.
        met: Whether it is met.
        observed: What was seen, in numbers.
        required: What the rule asks for.
    """

    name: str
    met: bool
    observed: str
    required: str

    @property
    def sentence(self) -> str:
        """The finding in one sentence."""
        word = "Met" if self.met else "Not met"
        return f"{word}: {self.observed}" + (f" (rule: {self.required})." if self.required else ".")


class Comparison(Verdict):
    """Whether the challenger should take the champion's place, and why.

    Attributes:
        promote: The gate's decision.
        then: What an approved challenger does: goes into production, or waits in staging.
        reasons: One sentence a rule, in the order they were applied.
        challenger: Name or version of the challenger.
        champion: Name or version of the champion; None if there is none yet.
        metrics: The metrics compared.
        examples: Number of impressions both were scored on.
        users: Number of their users.
        rules: The gate's rules, each with what was observed.
        observed: What the guardrails looked at besides the metrics.
    """

    promote: bool
    then: Literal["promote", "stage"] = "promote"
    reasons: tuple[str, ...]
    challenger: str
    champion: str | None = None
    metrics: tuple[MetricDifference, ...] = ()
    examples: int | None = None
    users: int | None = None
    rules: tuple[Rule, ...] = ()
    observed: Observed = Observed()
