"""A user's mistake is told in its own words; a bug keeps its traceback."""

import subprocess
import sys

PROGRAM = """
import logging, sys
logging.basicConfig(format="%(message)s")
from models.errors import DataError
from steps.adapters.plain_errors import show_errors_plainly
show_errors_plainly()
show_errors_plainly()
user = DataError("Bad price.", where="items.csv, row 3", do="Fix it.")
try:
    raise user if sys.argv[1] == "user" else KeyError("x")
except Exception:
    logging.exception("Step failed.")
    raise
"""


def run(kind: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, kind], capture_output=True, text=True, check=False
    )


def test_a_user_error_has_no_traceback() -> None:
    told = run("user")
    assert told.returncode == 1
    assert "Traceback" not in told.stderr
    assert "DataError: Bad price.\n  where: items.csv, row 3\n  do: Fix it." in told.stderr
    assert "Step failed." in told.stderr


def test_a_bug_keeps_its_traceback() -> None:
    told = run("bug")
    assert told.returncode == 1
    assert told.stderr.count("Traceback") == 2
