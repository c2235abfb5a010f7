"""Settings of the validation: each check by name, with its severity and thresholds."""

import difflib
from typing import Literal

from pydantic import Field, field_validator

from models.settings import Settings

Severity = Literal["critical", "warning", "off"]


class CheckSettings(Settings):
    """How one check is judged; ``min`` and ``max`` mean what docs/how-to/review-validation.md says.

    Args:
        severity: ``critical`` stops the run, ``warning`` is listed, ``off`` is not computed.
        min: Smallest allowed value, in the check's own unit.
        max: Largest allowed value, in the check's own unit.
        max_share: Share of rows that may fail before the check does.
    """

    severity: Severity = "critical"
    min: float | None = None
    max: float | None = None
    max_share: float = Field(default=0.0, ge=0, le=1)


def critical(**bounds: float) -> CheckSettings:
    """Return the settings of a check that stops the run."""
    return CheckSettings.model_validate({"severity": "critical", **bounds})


def warning(**bounds: float) -> CheckSettings:
    """Return the settings of a check that is only listed."""
    return CheckSettings.model_validate({"severity": "warning", **bounds})


DEFAULT_CHECKS: dict[str, CheckSettings] = {
    "items.rows": critical(min=10),
    "items.columns": critical(),
    "items.types": critical(),
    "items.item_id.not_null": critical(),
    "items.item_id.unique": critical(),
    "items.text.not_null": critical(max_share=0.01),
    "items.text.not_empty": critical(max_share=0.01),
    "items.categorical.not_null": warning(max_share=0.2),
    "items.numeric.finite": critical(),
    "items.numeric.range": critical(min=0),
    "items.image_path.not_null": warning(),
    "items.image_path.readable": critical(max_share=0.01),
    "items.image_path.all_readable": warning(),
    "users.rows": critical(min=2),
    "users.columns": critical(),
    "users.types": critical(),
    "users.user_id.not_null": critical(),
    "users.user_id.unique": critical(),
    "users.fields.not_null": warning(max_share=0.2),
    "impressions.rows": critical(min=100),
    "impressions.columns": critical(),
    "impressions.types": critical(),
    "impressions.impression_id.not_null": critical(),
    "impressions.impression_id.unique": critical(),
    "impressions.user_id.not_null": critical(),
    "impressions.user_id.known": critical(),
    "impressions.user_id.active": critical(min=2),
    "impressions.item_id.not_null": critical(),
    "impressions.item_id.known": critical(),
    "impressions.timestamp.not_null": critical(),
    "impressions.timestamp.seconds": critical(min=631_152_000, max=10_000_000_000),
    "impressions.timestamp.not_future": critical(max=86_400),
    "impressions.timestamp.span": warning(min=86_400),
    "impressions.label.not_null": critical(),
    "impressions.label.values": critical(),
    "impressions.label.both_classes": critical(),
    "impressions.label.rate": critical(min=0.0001, max=0.95),
    "impressions.label.leak": critical(max=0.98),
    "impressions.trigger.present": critical(min=0.5),
    "impressions.trigger.known": critical(),
    "impressions.trigger.in_history": warning(max_share=0.1),
    "impressions.request.one_user": critical(),
    "impressions.repeated": warning(max_share=0.01),
    "impressions.context.not_null": warning(max_share=0.2),
    "impressions.history.not_after": critical(max_share=0.01),
    "impressions.history.coverage": warning(min=0.5),
    "behaviours.rows": critical(min=10),
    "behaviours.columns": critical(),
    "behaviours.types": critical(),
    "behaviours.user_id.not_null": critical(),
    "behaviours.user_id.known": critical(),
    "behaviours.item_id.not_null": critical(),
    "behaviours.item_id.known": critical(),
    "behaviours.timestamp.not_null": critical(),
    "behaviours.timestamp.seconds": critical(min=631_152_000, max=10_000_000_000),
    "behaviours.timestamp.not_future": critical(max=86_400),
    "behaviours.timestamp.overlap": critical(),
    "behaviours.kind.not_empty": warning(),
    "behaviours.repeated": warning(max_share=0.01),
}


class ValidationConfig(Settings):
    """Settings of `steps.adapters.great_expectations.validate_tables`.

    Args:
        checks: Check name to settings; a check not named here keeps its default.
        sample_rows: Rows of impressions or behaviours that joins in time and the leak test look
            at, drawn with ``seed``; keys, nulls and values are always checked on every row.
        image_sample: Images opened, drawn with ``seed``.
        seed: Seed of both samples.
    """

    checks: dict[str, CheckSettings] = {}
    sample_rows: int = Field(default=200_000, ge=1000)
    image_sample: int = Field(default=2000, ge=1)
    seed: int = 0

    @field_validator("checks")
    @classmethod
    def _known(cls, checks: dict[str, CheckSettings]) -> dict[str, CheckSettings]:
        for name in checks:
            if name not in DEFAULT_CHECKS:
                close = difflib.get_close_matches(name, list(DEFAULT_CHECKS), n=1)
                hint = f", did you mean {close[0]!r}?" if close else ""
                raise ValueError(f"no check is named {name!r}{hint}")
        return checks

    def check(self, name: str) -> CheckSettings:
        """Return the settings of check ``name``: those given, over the defaults."""
        given = self.checks.get(name)
        if given is None:
            return DEFAULT_CHECKS[name]
        changed = {key: getattr(given, key) for key in given.model_fields_set}
        return DEFAULT_CHECKS[name].model_copy(update=changed)
