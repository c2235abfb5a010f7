"""Program: performs actions in forks of itself, and kills them where it is told to.

A fresh Python that imports torch and BentoML costs seconds; a fork of one that has them costs
milliseconds, so hundreds of deaths are affordable. One job a line on standard input, one answer a
line on standard output. Every change of a file is a point at which an action can be killed: what
Python's audit hooks tell, and fsync and pwrite, which they do not; a pwrite dies half-written. The
Python programs that an action starts are forks as well, and their points count.
"""

import json
import mmap
import os
import resource
import runpy
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.link", "os.chmod",
           "subprocess.Popen"}  # fmt: skip
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
STARTS_PROGRAMS = {"package"}
Job = Mapping[str, Any]


class Points:
    """Counts the points of an action and of all its forks; kills at one of them.

    Args:
        kill_at: The number of the point; ``None`` writes their names into ``log``.
        group: Kill the programs the action started too.
        log: A file descriptor to append to.
    """

    def __init__(self, kill_at: int | None, group: bool, log: int) -> None:
        self.kill_at, self.group, self.log = kill_at, group, log
        self.main = os.getpid()
        self.count = mmap.mmap(-1, 8)  # shared with the forks

    def install(self) -> None:
        """Watch this process from now on."""
        fsync, pwrite = os.fsync, os.pwrite

        def counted_fsync(handle: int) -> None:
            self.reach("fsync", _name(handle))
            fsync(handle)

        def counted_pwrite(handle: int, content: bytes, place: int) -> int:
            def half() -> None:
                pwrite(handle, content[: len(content) // 2], place)

            self.reach("pwrite", _name(handle), half)
            return pwrite(handle, content, place)

        os.fsync, os.pwrite = counted_fsync, counted_pwrite
        sys.addaudithook(self.watch)

    def watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take an audit event."""
        if event in CHANGES or (event == "open" and int(arguments[2] or 0) & WRITES):
            self.reach(event, arguments[0])

    def reach(self, name: str, where: object, before: Callable[[], None] | None = None) -> None:
        """Count, and die if it is time."""
        (number,) = struct.unpack("q", self.count[:8])
        self.count[:8] = struct.pack("q", number + 1)
        if self.kill_at is None:
            os.write(self.log, f"{name} {where}\n".encode())
        elif number == self.kill_at:
            if before is not None:
                before()
            (os.killpg if self.group else os.kill)(self.main, signal.SIGKILL)


class Programs:
    """Runs Python programs for an action: in forks of a process that did nothing yet but import.

    Not in forks of the action's own process, whose polars has threads that a fork would not have.
    """

    def __init__(self) -> None:
        self.ours, theirs = socket.socketpair()
        if os.fork() == 0:
            self.ours.close()
            self._serve(theirs)
        theirs.close()

    def run(self, command: list[str], **options: Any) -> "subprocess.CompletedProcess[str]":
        """Do as `subprocess.run` does; what is no Python program is left to that."""
        if command[0] != sys.executable or command[1].startswith("-"):
            return REAL_RUN(command, **options)
        asked = [command[1:], str(options["cwd"]), dict(options["env"]), options.get("input") or ""]
        with self.ours.makefile("rw", encoding="utf-8") as talk:
            talk.write(json.dumps(asked) + "\n")
            talk.flush()
            code, said = json.loads(talk.readline())
        if code and options.get("check"):
            raise subprocess.CalledProcessError(code, command, said, said)
        return subprocess.CompletedProcess(command, code, said, "")

    def _serve(self, theirs: socket.socket) -> None:
        with theirs.makefile("rw", encoding="utf-8") as talk:
            for line in talk:
                answer = _run_in_fork(*json.loads(line))
                try:
                    talk.write(json.dumps(answer) + "\n")
                    talk.flush()
                except OSError:  # who asked was killed
                    break
        os._exit(0)


def _run_in_fork(
    arguments: list[str], cwd: str, environment: dict[str, str], given: str
) -> tuple[int, str]:
    stdin, told = os.memfd_create("stdin"), os.memfd_create("stdout")
    os.write(stdin, given.encode())
    os.lseek(stdin, 0, os.SEEK_SET)
    child = os.fork()
    if child == 0:
        for number, file in enumerate((stdin, told, told)):
            os.dup2(file, number)
        _become(arguments, cwd, environment)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    said = os.pread(told, os.fstat(told).st_size, 0).decode()
    os.close(stdin)
    os.close(told)
    return code, said


def _become(arguments: list[str], cwd: str, environment: dict[str, str]) -> None:
    code = 1
    try:
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = arguments
        sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != ROOT]
        for name in [name for name in sys.modules if name.split(".")[0] in {"models", "steps"}]:
            del sys.modules[name]
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        runpy.run_path(arguments[0], run_name="__main__")
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        sys.stdout.flush()
        os._exit(code)


def _name(handle: int) -> Path:
    return Path(f"/proc/self/fd/{handle}").readlink()


def perform(job: Job) -> tuple[int, int]:
    """Start an action in a fork; return its process and a descriptor of what it will tell."""
    told, tell = os.memfd_create("told"), os.memfd_create("points")
    child = os.fork()
    if child:
        os.setpgid(child, child)
        os.close(tell)
        return child, told
    os.setpgid(0, 0)
    os.environ |= job.get("environment", {})
    code = 1
    try:
        from tests.faults import actions

        if job.get("file_limit"):
            resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_limit"], resource.RLIM_INFINITY))
        points = Points(job.get("kill_at"), job.get("group", False), tell)
        if job.get("watch", True):
            points.install()
        if job["action"] in STARTS_PROGRAMS:
            subprocess.run = Programs().run  # type: ignore[assignment]
        result = getattr(actions, job["action"])(**job["arguments"])
        names = os.pread(tell, os.fstat(tell).st_size, 0).decode().splitlines()
        os.write(told, json.dumps({"result": result, "points": names}).encode())
        code = 0
    except BaseException as error:
        os.write(told, json.dumps({"error": f"{type(error).__name__}: {error}"}).encode())
    finally:
        os._exit(code)


def await_all(running: Mapping[int, int], kill_after_s: float | None, group: bool) -> list[Job]:
    """Return what each action told, once it and all it started have ended."""
    told: dict[int, Job] = {}
    due = None if kill_after_s is None else time.monotonic() + kill_after_s
    while True:
        try:
            ended, status = os.waitpid(-1, 0 if due is None else os.WNOHANG)
        except ChildProcessError:  # also what it had started, which this process inherits
            return [told[child] for child in running]
        if ended in running:
            handle = running[ended]
            content = os.pread(handle, os.fstat(handle).st_size, 0)
            os.close(handle)
            killed = os.waitstatus_to_exitcode(status) == -signal.SIGKILL
            told[ended] = {"killed": killed, **(json.loads(content) if content else {})}
            due = None
        if due is not None and time.monotonic() >= due:
            (child,) = running
            (os.killpg if group else os.kill)(child, signal.SIGKILL)
            due = None
        elif ended == 0:
            time.sleep(0.0005)


def inherit_orphans() -> None:
    """Become the parent of whatever an action leaves behind, instead of process 1."""
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def main() -> None:
    """Answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever an action prints is no answer
    inherit_orphans()
    from tests.faults import actions

    actions.prepare()
    for line in sys.stdin:
        jobs = json.loads(line)
        running = dict(perform(job) for job in jobs)
        first = jobs[0]
        told = await_all(running, first.get("kill_after_s"), first.get("group", False))
        answers.write(json.dumps(told) + "\n")
        answers.flush()


REAL_RUN = subprocess.run

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    os.chdir(ROOT)
    main()
