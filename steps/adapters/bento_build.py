"""Program: builds the Bento whose recipe stands on standard input.

``bentoml build`` refuses contexts below a folder whose name starts with a dot, which the state
folder is; BentoML's function does not.
"""

import json
import sys

import bentoml


def main() -> None:
    """Build, and print the Bento's tag."""
    recipe = json.load(sys.stdin)
    sys.stdout.write(str(bentoml.build(**recipe).tag))


if __name__ == "__main__":
    main()
