"""Settings of the validation: each check by name, with its severity and thresholds."""

import difflib
from typing import Literal

from pydantic import Field, field_validator

from models.settings import Settings

Severity = Literal["critical", "warning", "skip"]


class CheckSettings(Settings):
    """How one check is judged; what ``min`` and ``max`` bound stands beside it in the YAML file.

    Args:
        severity: ``critical`` stops the run, ``warning`` is listed, ``skip`` is not computed.
        min: Smallest allowed value, in the check's own unit.
        max: Largest allowed value, in the check's own unit.
        max_share: Share of rows that may fail before the check does.
    """

    severity: Severity = "critical"
    min: float | None = None
    max: float | None = None
    max_share: float = Field(default=0.0, ge=0, le=1)


def _critical(**bounds: float) -> CheckSettings:
    return CheckSettings.model_validate({"severity": "critical", **bounds})


def _warning(**bounds: float) -> CheckSettings:
    return CheckSettings.model_validate({"severity": "warning", **bounds})


DEFAULT_CHECKS: dict[str, CheckSettings] = {
    "items.columns": _critical(),
    "items.types": _critical(),
    "items.rows": _critical(min=10),
    "items.item_id.not_null": _critical(),
    "items.item_id.unique": _critical(),
    "items.text.not_null": _critical(max_share=0.01),
    "items.text.not_empty": _critical(max_share=0.01),
    "items.categorical.not_null": _warning(max_share=0.2),
    "items.numeric.finite": _critical(),
    "items.numeric.range": _critical(min=0),
    "items.image_path.not_null": _warning(),
    "items.image_path.readable": _critical(max_share=0.01),
    "items.image_path.all_readable": _warning(),
    "users.columns": _critical(),
    "users.types": _critical(),
    "users.rows": _critical(min=2),
    "users.user_id.not_null": _critical(),
    "users.user_id.unique": _critical(),
    "users.fields.not_null": _warning(max_share=0.2),
    "impressions.columns": _critical(),
    "impressions.types": _critical(),
    "impressions.rows": _critical(min=100),
    "impressions.impression_id.not_null": _critical(),
    "impressions.impression_id.unique": _critical(),
    "impressions.user_id.not_null": _critical(),
    "impressions.user_id.known": _critical(),
    "impressions.user_id.active": _critical(min=2),
    "impressions.item_id.not_null": _critical(),
    "impressions.item_id.known": _critical(),
    "impressions.timestamp.not_null": _critical(),
    "impressions.timestamp.seconds": _critical(min=631_152_000, max=9_999_999_999),
    "impressions.timestamp.not_future": _critical(max=86_400),
    "impressions.timestamp.span": _warning(min=86_400),
    "impressions.label.not_null": _critical(),
    "impressions.label.values": _critical(),
    "impressions.label.both_classes": _critical(),
    "impressions.label.rate": _critical(min=0.0001, max=0.95),
    "impressions.label.leak": _critical(max=0.98),
    "impressions.trigger.present": _critical(min=0.5),
    "impressions.trigger.derived": _critical(min=0.01),
    "impressions.trigger.known": _critical(),
    "impressions.trigger.in_history": _warning(max_share=0.1),
    "impressions.request.one_user": _critical(),
    "impressions.context.not_null": _warning(max_share=0.2),
    "impressions.repeated": _warning(max_share=0.01),
    "impressions.history.strictly_before": _critical(max=60, max_share=0.01),
    "impressions.history.coverage": _warning(min=0.5),
    "behaviours.columns": _critical(),
    "behaviours.types": _critical(),
    "behaviours.rows": _critical(min=10),
    "behaviours.user_id.not_null": _critical(),
    "behaviours.user_id.known": _critical(),
    "behaviours.item_id.not_null": _critical(),
    "behaviours.item_id.known": _critical(),
    "behaviours.timestamp.not_null": _critical(),
    "behaviours.timestamp.seconds": _critical(min=631_152_000, max=9_999_999_999),
    "behaviours.timestamp.not_future": _critical(max=86_400),
    "behaviours.timestamp.order": _critical(max=0),
    "behaviours.kind.not_empty": _warning(),
    "behaviours.repeated": _warning(max_share=0.01),
}
"""Every check there is; ``configs/validation/default.yaml`` says the same, with comments."""


class ValidationConfig(Settings):
    """Settings of `steps.adapters.great_expectations.validate_tables`.

    Args:
        checks: Check name to settings; a check, or a setting of it, not given keeps its default.
        sample_rows: Impressions that checks of histories and of label leaks look at, drawn with
            ``seed``; keys, nulls and values are always checked on every row.
        max_rows: Events held in memory; of a longer log the events of some users are, for repeated
            rows, requests, histories, triggers and leaks, and every row is read for all the rest.
        image_sample: Images opened, drawn with ``seed``.
        seed: Seed of both samples.
    """

    checks: dict[str, CheckSettings] = Field(default_factory=dict)
    sample_rows: int = Field(default=200_000, ge=1000)
    max_rows: int = Field(default=2_000_000, ge=1)
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
