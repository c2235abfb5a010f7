"""Program: asks the Bento named on the command line the requests on standard input, one a line.

It runs in a process that knows nothing but BentoML and the Bento, and prints, one a line, what it
answered and which library answered.
"""

import json
import sys
from typing import Any, cast

import bentoml
from starlette.testclient import TestClient


def main() -> None:
    """Print each answer as a line of JSON."""
    service = cast(Any, bentoml.load(sys.argv[1], standalone_load=True))
    headers = {"content-type": "application/json"}
    with TestClient(service.to_asgi()) as client:
        for request in sys.stdin:
            answer = client.post("/score", content=request, headers=headers)
            told = {
                "status": answer.status_code,
                "body": answer.json(),
                "library": sys.modules["models"].__file__,
            }
            sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
