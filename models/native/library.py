"""The compiled kernels, where they were built at install: found, checked and loaded once.

Nothing here is needed: whatever a kernel computes, the caller can compute with torch alone. See
docs/explanation/native-kernels.md.
"""

import ctypes
import logging
import os
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

SWITCH = "INTENTFLOW_NATIVE"
"""Environment variable: ``0`` switches the kernels off, an instruction set's name forces it."""
INSTRUCTIONS = ("portable", "avx2", "avx512")
"""Instruction sets, from the one any processor has to the widest."""

_log = logging.getLogger(__name__)


class NativeCallError(ValueError):
    """A kernel was called with arguments it cannot take: a mistake in the calling code."""


class Call(ctypes.Structure):
    """Arguments of the target attention kernels; mirrors ``Call`` in target_attention.h."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("rows", "events", "table_rows", "dim", "hidden")),
        *((name, ctypes.c_int64) for name in ("index_bytes", "normalisation", "threads")),
        ("instructions", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("query", "table", "index", "begin", "end")),
        *((name, ctypes.c_void_p) for name in ("w_query", "b_query", "w_key", "w_product")),
        *((name, ctypes.c_void_p) for name in ("w_out", "b_out", "output", "weights", "active")),
        *((name, ctypes.c_void_p) for name in ("grad_output", "grad_query", "grad_table")),
        *((name, ctypes.c_void_p) for name in ("grad_w_query", "grad_b_query", "grad_w_key")),
        *((name, ctypes.c_void_p) for name in ("grad_w_product", "grad_w_out", "grad_b_out")),
    ]


LAYOUT = 1000 * ctypes.sizeof(Call) + 1
"""What the library must say of itself; the last digits change with the meaning of a field."""


def available() -> bool:
    """Return whether the kernels are to be called: built, quicker than torch, not switched off.

    The portable code is slower than torch, and is called only where the environment names it.
    """
    asked = os.environ.get(SWITCH, "1")
    return asked != "0" and _load() is not None and (asked != "1" or _widest() != INSTRUCTIONS[0])


def library() -> ctypes.CDLL:
    """Return the loaded library.

    Raises:
        NativeCallError: there is none; ask `available` first.
    """
    found = _load()
    if found is None:
        raise NativeCallError("There is no native library here: ask models.native.available first.")
    return found


def supports(instructions: str) -> bool:
    """Return whether this processor has the instruction set, and the library code for it."""
    return bool(library().intentflow_supports(INSTRUCTIONS.index(instructions)))


def chosen_instructions() -> str:
    """Return the instruction set in use: the widest, or the one the environment names.

    Raises:
        NativeCallError: the environment names one that does not exist, or not on this processor.
    """
    asked = os.environ.get(SWITCH, "1")
    if asked == "1":
        return _widest()
    if asked not in INSTRUCTIONS or not supports(asked):
        raise NativeCallError(
            f"{SWITCH} is {asked!r}, which this processor cannot run. "
            f"Allowed: 0, 1, {', '.join(filter(supports, INSTRUCTIONS))}."
        )
    return asked


@cache
def _widest() -> str:
    return next(name for name in reversed(INSTRUCTIONS) if supports(name))


@cache
def _load() -> ctypes.CDLL | None:
    path = _built_file(Path(__file__).parent)
    if path is None:
        _log.info("The native kernels were not built; torch does their work, slower.")
        return None
    try:
        return _checked(ctypes.CDLL(str(path)))
    except (OSError, AttributeError, NativeCallError) as error:
        _log.warning("The native kernels cannot be used, torch does their work: %s", error)
        return None


def _built_file(folder: Path) -> Path | None:
    candidates = (folder / f"kernels{suffix}" for suffix in EXTENSION_SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def _checked(found: ctypes.CDLL) -> ctypes.CDLL:
    found.intentflow_layout.restype = ctypes.c_int64
    if found.intentflow_layout() != LAYOUT:
        raise NativeCallError("they were built from other sources; install the project again")
    found.intentflow_supports.argtypes = [ctypes.c_int64]
    found.intentflow_active_bytes.argtypes = [ctypes.c_int64]
    found.intentflow_active_bytes.restype = ctypes.c_int64
    for name in ("forward", "backward"):
        function = found[f"intentflow_target_attention_{name}"]
        function.argtypes, function.restype = [ctypes.POINTER(Call)], ctypes.c_int
    found.intentflow_int8_layout.restype = ctypes.c_int64
    encode = found.intentflow_int8_encode  # the layout of its call: models/native/int8_encoder.py
    encode.argtypes, encode.restype = [ctypes.c_void_p], ctypes.c_int
    found.intentflow_head_layout.restype = ctypes.c_int64
    found.intentflow_likeness_layout.restype = ctypes.c_int64
    for name in ("head_forward", "head_backward", "likeness"):  # head_attention.py, likeness.py
        function = found[f"intentflow_{name}"]
        function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_int
    return found
