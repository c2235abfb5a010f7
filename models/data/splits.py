"""Train, valid and test, always by time, and never through the middle of a request."""

from typing import Literal

from pydantic import PositiveFloat, PositiveInt

from models.settings import Settings


class SplitConfig(Settings):
    """How impressions are divided.

    Attributes:
        kind: ``days``, the newest calendar days (UTC) are test, those before valid; ``ratio``, by
            shares of the impressions in order of time; ``leave_one_out``, each user's last request
            with a click is test and the one before valid.
        ratio: Shares of train, valid and test, for ``ratio``.
        scope: For ``ratio``: over each ``user``'s own impressions, or one ``global`` cut in time.
        train_days: For ``days``: how many days before valid are train; all that there are if null.
        valid_days: For ``days``.
        test_days: For ``days``.
    """

    kind: Literal["days", "ratio", "leave_one_out"] = "ratio"
    ratio: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (8, 1, 1)
    scope: Literal["user", "global"] = "global"
    train_days: PositiveInt | None = None
    valid_days: PositiveInt = 1
    test_days: PositiveInt = 1
