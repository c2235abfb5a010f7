"""Users' errors in a few lines, without a traceback; bugs keep theirs."""

import logging
import sys
from types import TracebackType

from models.errors import ProjectError


def show_errors_plainly() -> None:
    """From now on, print a `ProjectError` without its traceback, and all else as before."""
    for handler in (*logging.getLogger().handlers, *logging.getLogger("zenml").handlers):
        if not any(isinstance(kept, _WithoutTraceback) for kept in handler.filters):
            handler.addFilter(_WithoutTraceback())
    if not isinstance(sys.excepthook, _PlainHook):
        sys.excepthook = _PlainHook()


class _WithoutTraceback(logging.Filter):
    """Takes the traceback off a record about a `ProjectError`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        if record.exc_info and isinstance(record.exc_info[1], ProjectError):
            record.exc_info, record.exc_text = None, None
        return True


class _PlainHook:
    """Prints a `ProjectError`'s own words; hands everything else to the hook before it."""

    def __init__(self) -> None:
        self._before = sys.excepthook

    def __call__(
        self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, ProjectError):
            sys.stderr.write(f"\n{kind.__name__}: {error}\n")
        else:
            self._before(kind, error, traceback)
