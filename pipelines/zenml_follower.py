"""ZenML follows a change of stages: here and now, or in a process of its own.

Starting ZenML takes longer than going back may: whoever rolls back by hand does not wait for it.
"""

import subprocess
import sys
from pathlib import Path

LOG = "zenml.log"


def follow(folder: Path) -> str:
    """Bring ZenML's stages in line with the line's pointer; return a warning where that failed."""
    from steps.adapters.release_zenml import mark_in_zenml
    from steps.adapters.tracking import begin_quickly

    try:
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
    with (folder / LOG).open("wb") as log:
        subprocess.Popen(
            command,
            cwd=project_root(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
