"""How trigger–target similarity is cut into intent levels."""

from typing import Annotated, Literal

from pydantic import Field

from models.settings import Settings


class IntentConfig(Settings):
    """Settings of the intent levels (DAIAN 4.1).

    Attributes:
        levels: Number n of equal-width levels. DAIAN 5.4: "when n is set to 6, the model attains
            the best AUC and GAUC performance collectively".
        range: What the levels divide: ``raw`` [-1, 1], ``minmax`` the train pairs' least and
            greatest cosine, ``percentile`` their 0.5th and 99.5th percentile. Cosines beyond
            count to the outermost levels.
        centre: Subtract the train items' mean content before the cosine.
    """

    levels: Annotated[int, Field(ge=2, le=127)] = 6
    range: Literal["raw", "minmax", "percentile"] = "percentile"
    centre: bool = True
