"""Program: asks the Bento named on the command line the request on standard input.

It runs in a process that knows nothing but BentoML and the Bento, and prints what it answered and
which library answered.
"""

import json
import sys
from typing import Any, cast

import bentoml
from starlette.testclient import TestClient


def main() -> None:
    """Print the answer as JSON."""
    service = cast(Any, bentoml.load(sys.argv[1], standalone_load=True))
    with TestClient(service.to_asgi()) as client:
        headers = {"content-type": "application/json"}
        answer = client.post("/score", content=sys.stdin.read(), headers=headers)
    told = {
        "status": answer.status_code,
        "body": answer.json(),
        "library": sys.modules["models"].__file__,
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
