"""Training with deterministic algorithms only, and the process as it was afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from models.errors import TrainingError


@contextmanager
def deterministic_algorithms(*, wanted: bool) -> Iterator[None]:
    """Let torch use deterministic algorithms only while the block runs, if ``wanted``.

    Raises:
        TrainingError: an operation of the model has no deterministic algorithm on this device.
    """
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    only_warned = torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        raise TrainingError(
            f"An operation is not deterministic here: {str(error).splitlines()[0]}",
            where="training.deterministic: true",
            do="Train on the CPU, set CUBLAS_WORKSPACE_CONFIG=:4096:8 where the message asks for"
            " it, or set training.deterministic: false.",
        ) from error
    finally:
        torch.use_deterministic_algorithms(before, warn_only=only_warned)
        torch.backends.cudnn.benchmark = benchmark
