"""The peers, and the Python environment each is installed into on first use."""

import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from models.settings import digest

TORCH = "torch==2.13.0"
RUNNERS = Path(__file__).resolve().parent / "runners"


class PeerUnavailableError(Exception):
    """A peer cannot be installed here; the message says why."""


@dataclass(frozen=True)
class Peer:
    """A library to measure.

    Attributes:
        name: What the table and the options call it.
        requirements: What pip installs, after torch.
        models: Which models it is measured with, by our name.
        prepares: Whether it wants the data in files of its own.
        extra: What it needs to run and its wheel does not say.
    """

    name: str
    requirements: tuple[str, ...]
    models: tuple[str, ...]
    prepares: bool = False
    extra: tuple[str, ...] = ()

    @property
    def runner(self) -> Path:
        """The script that its Python executes."""
        return RUNNERS / f"run_{self.name.replace('-', '_')}.py"


PEERS = {
    peer.name: peer
    for peer in (
        Peer("fuxictr", ("fuxictr==2.3.10",), ("din", "dien", "dcnv2"), prepares=True),
        Peer(
            "deepctr-torch",
            ("deepctr-torch==0.3.0",),
            ("din", "dien", "dcnv2", "deepfm"),
            extra=("requests",),
        ),
        Peer("torch-rechub", ("torch-rechub==0.9.0",), ("din", "dien", "dcnv2", "deepfm")),
        Peer(
            "recbole",
            ("recbole==1.2.1",),
            ("din", "deepfm"),
            prepares=True,
            extra=("numpy<2", "pandas<3"),
        ),
    )
}
OURS = RUNNERS / "run_intentflow.py"


def environment(peer: Peer, home: Path) -> tuple[Path, list[str]]:
    """Return the Python of a peer, installed on first use, and the versions it holds.

    torch is installed first and pinned for the rest, so that no peer brings another build of it.

    Raises:
        PeerUnavailableError: pip fails; its last line is the reason.
    """
    folder = home / peer.name
    wanted = (TORCH, *peer.requirements, *peer.extra)
    python, frozen = folder / "bin" / "python", folder / f"versions-{digest(wanted)[:8]}.txt"
    if not frozen.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"installing {', '.join(peer.requirements)} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True)
        for packages in ((TORCH,), wanted):
            _run([str(python), "-m", "pip", "install", "--quiet", *packages])
        frozen.write_text(_run([str(python), "-m", "pip", "freeze"]), encoding="utf-8")
    return python, frozen.read_text(encoding="utf-8").split()


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in lines if "ERROR" in line), lines[-1] if lines else "?")
        raise PeerUnavailableError(reason.strip())
    return done.stdout
