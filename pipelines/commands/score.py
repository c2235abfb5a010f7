"""``intentflow score FILE``: requests as JSON lines in, probabilities as JSON lines out."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from models.errors import MissingDataError, ReleaseError, RequestError
from pipelines.release_line import add_line, line_name

STANDARD_INPUT = Path("-")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the requests and the model."""
    parser.add_argument(
        "file",
        type=Path,
        help="one request a line, as POST /score takes it; - reads standard input",
    )
    parser.add_argument(
        "--model", type=Path, help="a ctr_model artifact folder instead of the production model"
    )
    add_line(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the answer to each request, in order; the first malformed one ends it, by its line."""
    from models.serving.predictor import Predictor
    from models.serving.request import ScoreRequest, parse_request

    predictor = Predictor.load(arguments.model or _production(arguments.line))
    for number, line in _lines(arguments.file):
        try:
            answer = predictor.score(parse_request(ScoreRequest, line))
        except RequestError as error:
            where = f"{arguments.file}, line {number}: {error.where}"
            raise RequestError(
                error.what, where=where, allowed=error.allowed, do=error.do
            ) from None
        print(answer.model_dump_json())
    return 0


def _production(asked: str | None) -> Path:
    from steps.adapters.releases import champion_folder

    line = line_name(asked)
    folder = champion_folder(line)
    if folder is None:
        raise ReleaseError(
            f"No version of {line} is in production.",
            do="Promote one: intentflow promote VERSION --reason WHY; or name a folder: --model.",
        )
    return folder


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that hold something, with their numbers.

    Raises:
        MissingDataError: there is no such file, or it is not text.
    """
    try:
        with (
            nullcontext(sys.stdin)
            if path == STANDARD_INPUT
            else path.open(encoding="utf-8") as file
        ):
            yield from ((n, line) for n, line in enumerate(file, start=1) if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise MissingDataError(
            f"The requests cannot be read: {error}.",
            where=str(path),
            allowed="a text file in UTF-8, one JSON request a line",
        ) from None
