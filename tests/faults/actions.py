"""What the fault suite does and disturbs: whole actions, each in a process of its own."""

from pathlib import Path

from tests.models.training.synthetic import small_config


def prepare() -> None:
    """Import what the actions need, so that forks have it."""
    import bentoml
    import torch
    from starlette.testclient import TestClient

    import models.serving.service
    import models.training.trainer
    import steps.adapters.bento
    import steps.adapters.release
    import steps.adapters.workspace

    torch.optim.Adagrad([torch.nn.Parameter(torch.zeros(1))])  # the first one imports for seconds
    assert bentoml
    assert TestClient
    assert models.serving.service
    assert models.training.trainer
    assert steps.adapters.bento
    assert steps.adapters.release
    assert steps.adapters.workspace


def save(store: str) -> str:
    """Train a model and keep it as an artifact, as a step does; return its content hash."""
    from models.data.examples import ExampleStore
    from models.training.trainer import make_catalogue, train
    from steps.adapters.workspace import produce, resume_folder

    examples = ExampleStore.open(Path(store))
    catalogue = make_catalogue(examples, None, None)
    config = small_config("din", max_epochs=1, batch_size=512)
    resume = resume_folder("ctr_model", {}, {}, 0)
    ref = produce(
        "ctr_model",
        lambda into: train(config, examples, catalogue, None, into, seed=0, resume_folder=resume),
        config={"seed": 0},
        parents={},
        library="a library",
    )
    return ref.content_hash


def package(model: str, home: str) -> str:
    """Build a Bento that has answered; return its model's hash."""
    from steps.adapters.bento import build_bento

    return build_bento(Path(model), version="new", home=Path(home)).model_hash


def register(line: str, bento: str) -> str:
    """Register a built Bento; return its version."""
    from steps.adapters.bento_store import BentoRef
    from steps.adapters.release import register_candidate

    ref = BentoRef.model_validate_json(bento)
    return register_candidate(Path(line), ref, approved=True, reasons=("won",)).version


def promote(line: str, version: str, reason: str = "up") -> str:
    """Put a version into production."""
    from steps.adapters.release import promote

    return promote(Path(line), version, reason=reason, who="somebody").version


def rollback(line: str) -> str:
    """Go one version back."""
    from steps.adapters.release import rollback

    return rollback(Path(line), reason="down", who="somebody").version


def stage(line: str, version: str) -> str:
    """Put a version into staging."""
    from steps.adapters.release import stage

    return stage(Path(line), version, reason="next", who="somebody").version
