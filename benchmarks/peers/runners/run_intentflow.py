"""intentflow itself, through `train` and `score`, with nothing around them."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from measuring import Stopwatch, leave, read_job

from models.ctr.config import CTRConfig
from models.data.examples import ExampleStore
from models.training import trainer
from models.training.loop import TrainingLoop

SETTINGS = {
    "din": {"use_trigger": False},
    "dien": {"use_trigger": False, "auxiliary_weight": 0.0},  # as FuxiCTR and DeepCTR-Torch come
    "dcnv2": {"use_trigger": False},
    "deepfm": {"use_trigger": False, "history": "none"},
}


def main() -> None:
    """Train one model and score every row."""
    job, watch = read_job(), Stopwatch()

    class TimedLoop(TrainingLoop):
        """The loop of the library, its epochs timed; validation comes after an epoch."""

        _run_epoch = watch.timed("train", TrainingLoop._run_epoch)

    trainer.TrainingLoop = TimedLoop
    store = ExampleStore.open(Path(job["data"]) / "examples")
    training = {
        "batch_size": job["batch_size"],
        "min_steps": 1,
        "max_epochs": job["max_epochs"],
        "patience": job["patience"],
        "learning_rate": 1e-3,
        "float32_products": job["products"],
    }
    config = CTRConfig.model_validate(
        {"model": job["model"], "settings": SETTINGS[job["model"]], "training": training}
    )
    catalogue = trainer.make_catalogue(store, None, None)
    with TemporaryDirectory() as name:
        folder = Path(name)
        trainer.train(
            config, store, catalogue, None, folder / "model",
            seed=job["seed"], resume_folder=folder / "resume",
        )  # fmt: skip
        model = trainer.load_model(folder / "model").model
    rows = np.arange(store.num_examples)
    probability = np.zeros(0)
    for _ in range(job["repeats"]):
        with watch.span("score"):
            scores = trainer.score(model, store, rows, batch_size=job["batch_size"])
            probability = scores.probability
    leave(job, watch, probability)


if __name__ == "__main__":
    main()
