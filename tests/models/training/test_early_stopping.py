import math

from models.training.early_stopping import EarlyStopping


def run(monitor: str, values: list[float], patience: int) -> EarlyStopping:
    stopping = EarlyStopping(monitor=monitor, patience=patience)
    for epoch, value in enumerate(values):
        if stopping.finished:
            break
        stopping.update(epoch, value)
    return stopping


def test_it_ends_after_so_many_epochs_without_improvement_and_remembers_the_best() -> None:
    stopping = run("valid/auc", [0.6, 0.7, 0.69, 0.68, 0.9], patience=2)
    assert (stopping.best, stopping.best_epoch, stopping.finished) == (0.7, 1, True)


def test_a_divergence_is_better_when_lower() -> None:
    stopping = run("valid/intent_kl", [0.6, 0.5, 0.7], patience=1)
    assert (stopping.best, stopping.best_epoch) == (0.5, 1)


def test_a_log_loss_is_better_when_lower() -> None:
    stopping = run("valid/log_loss", [0.6, 0.5, 0.55], patience=1)
    assert (stopping.best, stopping.best_epoch) == (0.5, 1)


def test_a_gain_of_the_least_size_is_none() -> None:
    stopping = EarlyStopping(monitor="valid/auc", patience=2, min_delta=0.25)
    assert [stopping.update(i, v) for i, v in enumerate((0.25, 0.5, 0.75, 1.25))] == [
        True, False, True, True,
    ]  # fmt: skip


def test_an_equal_value_is_no_improvement() -> None:
    assert run("valid/auc", [0.5, 0.5], patience=1).best_epoch == 0


def test_without_a_figure_the_newest_weights_are_kept() -> None:
    stopping = run("valid/auc", [math.nan, math.nan, math.nan], patience=1)
    assert (stopping.best_epoch, stopping.finished) == (2, False)


def test_it_survives_json() -> None:
    stopping = run("valid/auc", [0.1 + 0.2, 0.1], patience=3)
    assert EarlyStopping.model_validate_json(stopping.model_dump_json()) == stopping
