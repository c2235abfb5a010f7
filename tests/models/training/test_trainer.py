import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load

from models.ctr.base import Stage
from models.ctr.config import CTRConfig
from models.errors import ConfigError, TrainingError
from models.layers import shares
from models.training.checkpoint import CHECKPOINT
from models.training.determinism import deterministic_algorithms
from models.training.loop import TrainingLoop, monitored
from models.training.trainer import pick_device, train
from tests.models.training.synthetic import Dataset, small_config


def run(dataset: Dataset, folder: Path, config: CTRConfig, seed: int = 0) -> dict[str, bytes]:
    """Train; return the bytes of every file written."""
    train(
        config, dataset.store, dataset.catalogue, dataset.intents, folder / "model",
        seed=seed, resume_folder=folder / "resume",
    )  # fmt: skip
    assert not (folder / "resume").exists()
    return contents(folder / "model")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def curves(files: dict[str, bytes]) -> list[dict[str, float]]:
    return [json.loads(line) for line in files["history.jsonl"].decode().splitlines()]


@pytest.mark.parametrize("name", ["din", "daian"])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    name: str, dataset: Dataset, tmp_path: Path
) -> None:
    config = small_config(name, max_epochs=2, batch_size=256)
    first, same, other = (run(dataset, tmp_path / f"{i}", config, seed=i // 2) for i in range(3))
    assert first == same
    assert first["weights.safetensors"] != other["weights.safetensors"]


def test_daian_trains_in_three_stages_and_its_curves_say_so(
    dataset: Dataset, tmp_path: Path
) -> None:
    config = small_config("daian", max_epochs=2, batch_size=256, patience=5)
    rows = curves(run(dataset, tmp_path, config))
    assert [row["stage"] for row in rows] == [*["uim"] * 5, "die", *["joint"] * 2]
    assert rows[4]["valid/intent_kl"] < rows[0]["valid/intent_kl"]
    assert {"train/loss", "valid/auc", "valid/log_loss", "epoch"} <= set(rows[-1])


def test_the_best_epochs_weights_are_kept(dataset: Dataset, tmp_path: Path) -> None:
    wild = small_config("din", max_epochs=3, patience=3, batch_size=64, learning_rate=0.1)
    wild = wild.model_copy(update={"settings": wild.settings | {"normalisation": "none"}})
    rows = curves(files := run(dataset, tmp_path / "all", wild))
    best = int(np.argmax([row["valid/auc"] for row in rows]))
    assert best < 2
    stopped = wild.model_copy(
        update={"training": wild.training.model_copy(update={"max_epochs": best + 1})}
    )
    until_best = run(dataset, tmp_path / "best", stopped)
    assert files["weights.safetensors"] == until_best["weights.safetensors"]


@pytest.mark.parametrize("name", ["din", "dcnv2", "deepfm"])
def test_shares_of_rows_train_what_one_thread_trains(
    name: str, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTENTFLOW_NATIVE", "0")
    monkeypatch.setattr(shares, "LEAST_WORK", 1)
    config, before = small_config(name, max_epochs=1, batch_size=256), torch.get_num_threads()
    found = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(run(dataset, tmp_path / f"{threads}", config))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    whole, dealt = (load(files["weights.safetensors"]) for files in found)
    torch.testing.assert_close(dealt, whole, rtol=0.0, atol=1e-5)
    assert any((dealt[name] != whole[name]).any() for name in whole)  # sums in another order


def test_training_leaves_the_callers_random_numbers_alone(dataset: Dataset, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(dataset, tmp_path, small_config("din", max_epochs=1))
    assert torch.equal(torch.rand(3), expected)


def test_a_loss_that_is_not_finite_ends_training_with_place_and_remedy(
    dataset: Dataset, tmp_path: Path
) -> None:
    config = small_config("din", learning_rate=1e30, batch_size=64)
    with pytest.raises(TrainingError, match=r"loss became (nan|inf)(.|\n)*learning_rate"):
        run(dataset, tmp_path, config)
    assert not (tmp_path / "model").exists()


class Stop(Exception):  # noqa: N818
    """Ends a run where a test wants it to end."""


def interrupted(
    dataset: Dataset, folder: Path, config: CTRConfig, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Train until ``steps`` optimizer steps are done, then end as a kill would."""
    done = 0
    original = TrainingLoop._train_step  # pyright: ignore[reportPrivateUsage]

    def counted(*arguments: object) -> object:
        nonlocal done
        if done == steps:
            raise Stop
        done += 1
        return original(*arguments)  # pyright: ignore

    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "_train_step", counted)
        with pytest.raises(Stop):
            run(dataset, folder, config)


@pytest.mark.parametrize("steps", [3, 20, 31, 45])
def test_a_run_ended_anywhere_goes_on_to_the_same_bytes(
    steps: int, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**small_config("daian").settings, "dropout": 0.3, "uim_epochs": 3}
    config = small_config("daian", max_epochs=3, batch_size=128, checkpoint_every=2)
    config = config.model_copy(update={"settings": settings})
    expected = run(dataset, tmp_path / "undisturbed", config)
    interrupted(dataset, tmp_path / "killed", config, steps, monkeypatch)
    assert (tmp_path / "killed" / "resume" / CHECKPOINT).exists()
    assert run(dataset, tmp_path / "killed", config) == expected


def test_the_checkpoint_of_another_run_is_refused(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config("din", batch_size=64, checkpoint_every=2)
    interrupted(dataset, tmp_path, config, 5, monkeypatch)
    with pytest.raises(TrainingError, match="belongs to another run"):
        run(dataset, tmp_path, config, seed=1)
    with pytest.raises(TrainingError, match="belongs to another run"):
        run(dataset, tmp_path, small_config("din", batch_size=32, checkpoint_every=2))


def test_a_checkpoint_of_rubbish_is_a_named_error(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "resume").mkdir()
    (tmp_path / "resume" / CHECKPOINT).write_bytes(b"rubbish")
    with pytest.raises(TrainingError, match="checkpoint cannot be read"):
        run(dataset, tmp_path, small_config("din"))


def test_a_device_that_is_not_here_is_refused() -> None:
    with pytest.raises(ConfigError, match="is no device"):
        pick_device("toaster")
    assert pick_device("cpu") == torch.device("cpu")
    if not torch.cuda.is_available():
        assert pick_device("auto") == torch.device("cpu")
        with pytest.raises(ConfigError, match="no device 'cuda'"):
            pick_device("cuda")


def test_cuda_graphs_are_refused_where_there_is_no_gpu(dataset: Dataset, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ConfigError, match="no CUDA graphs on device 'cpu'"):
        run(dataset, tmp_path, small_config("din", cuda_graphs=True))


def test_small_data_take_smaller_batches_so_that_an_epoch_has_enough_steps(
    dataset: Dataset, tmp_path: Path
) -> None:
    losses = {
        steps: curves(
            run(dataset, tmp_path / f"{steps}", small_config("din", max_epochs=1, min_steps=steps))
        )[0]["train/loss"]
        for steps in (1, 40, 10**6)
    }
    by_hand = small_config("din", max_epochs=1, batch_size=len(dataset.store.rows("train")) // 40)
    assert losses[40] == curves(run(dataset, tmp_path / "by hand", by_hand))[0]["train/loss"]
    assert losses[10**6] < losses[40] < losses[1]  # at least 32 rows a batch


@pytest.mark.parametrize("training", [{"optimizer": "adagrad", "learning_rate": 0.05}, {"bf16": 1}])
def test_other_optimizers_and_precisions_learn_too(
    training: dict[str, object], dataset: Dataset, tmp_path: Path
) -> None:
    config = small_config("din", max_epochs=5, batch_size=64, **training)
    rows = curves(run(dataset, tmp_path, config))
    assert rows[-1]["train/loss"] < rows[0]["train/loss"]


def test_a_run_goes_on_in_the_middle_of_its_schedule_and_buckets(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(
        "din", max_epochs=3, patience=3, batch_size=64, checkpoint_every=2, schedule="linear",
        warmup_steps=7, length_buckets=3, grad_clip=0.5, positive_weight=3.0,
        monitor="valid/log_loss", optimizer="adagrad",
    )  # fmt: skip
    expected = run(dataset, tmp_path / "undisturbed", config)
    interrupted(dataset, tmp_path / "killed", config, 30, monkeypatch)
    assert run(dataset, tmp_path / "killed", config) == expected


def test_batches_from_the_devices_memory_train_to_the_same_bytes(
    dataset: Dataset, tmp_path: Path
) -> None:
    always, never = (
        run(dataset, tmp_path / where, small_config("daian", max_epochs=1, store_on_device=where))
        for where in ("always", "never")
    )
    assert always["weights.safetensors"] == never["weights.safetensors"]
    assert always["history.jsonl"] == never["history.jsonl"]


def test_the_monitor_decides_which_epoch_is_kept(dataset: Dataset, tmp_path: Path) -> None:
    wild = {"max_epochs": 4, "patience": 4, "batch_size": 64, "learning_rate": 0.03}
    for monitor, best in (("valid/auc", np.argmax), ("valid/log_loss", np.argmin)):
        files = run(dataset, tmp_path / monitor[6:], small_config("din", monitor=monitor, **wild))
        rows = curves(files)
        kept = int(best([row[monitor] for row in rows]))
        summary = json.loads(files["model.json"])["summary"]
        assert summary["best_valid_auc"] == rows[kept]["valid/auc"]


def test_dies_intent_stage_keeps_its_own_monitor() -> None:
    config = small_config("daian", monitor="valid/log_loss").training
    assert monitored(Stage("uim", "intent_kl", monitor="valid/intent_kl"), config) == (
        "valid/intent_kl"
    )
    assert monitored(Stage("joint"), config) == "valid/log_loss"


def test_deterministic_mode_trains_and_leaves_torch_as_it_was(
    dataset: Dataset, tmp_path: Path
) -> None:
    config = small_config("daian", max_epochs=1, deterministic=True)
    assert run(dataset, tmp_path / "1", config) == run(dataset, tmp_path / "2", config)
    assert not torch.are_deterministic_algorithms_enabled()


def test_an_operation_that_is_not_deterministic_is_a_named_error() -> None:
    with (
        pytest.raises(TrainingError, match=r"(?s)not deterministic here.*deterministic: false"),
        deterministic_algorithms(wanted=True),
    ):
        raise RuntimeError("put_ does not have a deterministic implementation, but you set …")
    with pytest.raises(RuntimeError, match="other"), deterministic_algorithms(wanted=True):
        raise RuntimeError("something other")
    assert not torch.are_deterministic_algorithms_enabled()
