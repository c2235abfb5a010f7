import subprocess
import sys

from pydantic import BaseModel

from steps.adapters.kept import kept
from tests.conftest import Project

PLAN_TWICE = """
import sys
from pipelines.plan import RunConfig, plan_run
config = RunConfig(dataset="simulator_tiny", tokenizer="rqvae_tiny", model="din_tiny")
plan_run(config)
print("torch" in sys.modules, plan_run(config).model["settings"]["embedding_dim"])
"""


class Answer(BaseModel):
    value: int


def made(value: int, calls: list[int]) -> Answer:
    calls.append(value)
    return Answer(value=value)


def test_what_was_made_is_read_back_for_the_same_input_alone(project: Project) -> None:
    calls: list[int] = []
    for given, value in ((["first"], 1), (["first"], 2), (["second"], 3), (["first"], 4)):
        kept(Answer, given, lambda value=value: made(value, calls))
    assert calls == [1, 3]
    assert kept(Answer, ["first"], lambda: made(5, calls)).value == 1


def test_a_damaged_file_is_made_anew(project: Project) -> None:
    calls: list[int] = []
    before = set((project.state / "cache" / "kept").glob("*.json"))
    kept(Answer, ["damaged"], lambda: made(1, calls))
    (path,) = set((project.state / "cache" / "kept").glob("*.json")) - before
    path.write_text("{", encoding="utf-8")
    assert kept(Answer, ["damaged"], lambda: made(2, calls)).value == 2
    assert kept(Answer, ["damaged"], lambda: made(3, calls)).value == 2


def test_a_plan_made_before_needs_no_torch(project: Project) -> None:
    told = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PLAN_TWICE], cwd=project.root, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        told.append(done.stdout.split())
    assert told[1] == ["False", told[0][1]]
