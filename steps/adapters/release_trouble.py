"""What the doctor finds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "pointer", "history", "leftover", "record", "archive", "bento", "latest", "stages", "zenml"
]


@dataclass(frozen=True)
class Trouble:
    """One thing that disagrees with the pointer.

    Attributes:
        kind: What it is about.
        what: What is wrong, in a sentence.
        where: The file, or the place in ZenML.
        do: What a person can do, where no repair is known.
        cure: Puts it right; ``None`` where nobody but a person can.
        repaired: Whether it is right now.
    """

    kind: Kind
    what: str
    where: str
    do: str = ""
    cure: Callable[[], None] | None = None
    repaired: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """What tells one trouble from another."""
        return self.kind, self.where
