"""``intentflow score FILE``: requests as JSON lines in, probabilities as JSON lines out."""

import argparse
import sys
from collections.abc import Iterator
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
    for number, line in enumerate(_lines(arguments.file), start=1):
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


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines that hold something; raise `MissingDataError` where they cannot be read."""
    try:
        if path == STANDARD_INPUT:
            yield from (line for line in sys.stdin if line.strip())
            return
        with path.open(encoding="utf-8") as file:
            yield from (line for line in file if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise MissingDataError(
            f"The requests cannot be read: {error}.",
            where=str(path),
            allowed="a text file in UTF-8, one JSON request a line",
        ) from None
