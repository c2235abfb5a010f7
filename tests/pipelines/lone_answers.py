"""What models answer in a process of their own: `python -m tests.pipelines.lone_answers FOLDER …`.

Prints a list a model, of the probabilities it gives to each of the first model's golden requests.
A long test process may have set torch to other threads or products, which changes last bits.
"""

import json
import sys
from pathlib import Path

from models.serving import golden
from models.serving.predictor import Predictor


def main(folders: list[Path]) -> None:
    predictors = [Predictor.load(folder, version=folder.name) for folder in folders]
    requests = golden.golden_requests(predictors[0].vocabularies)
    answers = [[one.score(request).probabilities for request in requests] for one in predictors]
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main([Path(word) for word in sys.argv[1:]])
