"""What was worked out before from the same input by the same code, read back from the state."""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from models.files import write_text
from models.settings import digest
from steps.adapters.caching import fingerprint
from steps.adapters.workspace import state_folder

CODE = ("models/**/*.py", "pipelines/*.py", "steps/adapters/*.py")
Kept = TypeVar("Kept", bound=BaseModel)


def kept(form: type[Kept], given: Any, make: Callable[[], Kept]) -> Kept:
    """Return what ``make`` returns, from an earlier call's file where there is one.

    Args:
        form: The type of what is made.
        given: All that it depends on besides the code.
        make: Makes it; what it raises is not kept.
    """
    key = digest([form.__name__, given, fingerprint(*CODE)])[:16]
    path = state_folder() / "cache" / "kept" / f"{key}.json"
    try:
        return form.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        made = make()
        write_text(path, made.model_dump_json())
        return made
