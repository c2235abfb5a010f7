"""ZenML follows a change of stages: here and now, or in a process of its own.

Starting ZenML takes longer than going back may: whoever rolls back by hand does not wait for it.
"""

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path

LOG = "zenml.log"
WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def follow(folder: Path) -> str:
    """Bring ZenML's stages in line with the line's pointer; return a warning where that failed."""
    try:
        with redirect_stdout(sys.stderr):  # ZenML has things to say, and our answer may be JSON
            from steps.adapters.release_zenml import mark_in_zenml
            from steps.adapters.tracking import begin_quickly

            begin_quickly()
            mark_in_zenml(folder, folder.name)
    except Exception as error:  # the change itself is done, whatever ZenML's store raises
        cause = str(error).splitlines()[0] if str(error) else repr(error)
        return (
            f"warning: ZenML's stages do not follow yet: {cause}\n"
            "  do: intentflow models doctor --repair, once ZenML answers"
        )
    return ""


def follow_later(folder: Path) -> None:
    """Let a process of its own do so; what it has to say stands in ``zenml.log`` in the folder."""
    from steps.adapters.workspace import project_root

    command = [sys.executable, "-m", "pipelines", "models", "follow", "--line", folder.name]
    paths = [str(project_root()), *filter(None, [os.environ.get("PYTHONPATH")])]
    to_log = (os.POSIX_SPAWN_OPEN, 1, str(folder / LOG), WRITE, 0o644)
    from_nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    os.posix_spawn(  # nobody waits for it: it ends by itself, also after this process
        sys.executable,
        command,
        os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        file_actions=[from_nothing, to_log, (os.POSIX_SPAWN_DUP2, 1, 2)],
        setsid=True,
    )
