"""What a run tells ZenML about itself, silently nothing where no run is going on."""

import os
from typing import Any

from models.errors import ReleaseError

DATA_INTEGRATIONS = (
    "bentoml",
    "evidently",
    "great_expectations",
    "huggingface",
    "numpy",
    "pandas",
    "pillow",
    "polars",
    "pytorch",
    "scipy",
    "sklearn",
)


def run_name() -> str:
    """Return the name of the run the current step belongs to.

    Raises:
        ReleaseError: no run is going on.
    """
    from zenml import get_step_context

    try:
        return get_step_context().pipeline_run.name
    except RuntimeError:
        raise ReleaseError(
            "This step records a run, and none is going on.",
            do="Call it from a pipeline, or call the library function it wraps.",
        ) from None


def record(metadata: dict[str, Any]) -> None:
    """Add ``metadata`` to the current step's in ZenML; outside a run this does nothing."""
    from zenml import log_metadata

    if _in_a_run():
        log_metadata(metadata)


def record_on_model(metadata: dict[str, Any]) -> None:
    """Add ``metadata`` to the model version the current run makes; outside a run do nothing."""
    from zenml import log_metadata

    if _in_a_run():
        log_metadata(metadata, infer_model=True)  # pyright: ignore[reportCallIssue] - an overload


def _in_a_run() -> bool:
    from zenml import get_step_context

    try:
        get_step_context()
    except RuntimeError:
        return False
    return True


def skip_survey() -> None:
    """Answer the dashboard's first questions, name and e-mail for ZenML's newsletter, with no."""
    from zenml.client import Client

    client = Client()
    if client.active_user.email_opted_in is None:
        client.update_user(
            client.active_user.id,
            updated_email_opt_in=False,
            updated_metadata={"finished_onboarding_survey": True},
        )


def begin_quickly() -> None:
    """Keep ZenML from importing the data tools it has integrations for, seconds of every run.

    It would import each one that is installed for its materializers; our steps hand one another
    references, which need none. Integrations of stack components stay.
    """
    from zenml.integrations.registry import integration_registry

    for name in DATA_INTEGRATIONS:
        integration_registry.integrations.pop(name, None)
    # A dynamic pipeline then keeps settings with its steps instead of as one artifact each.
    os.environ.setdefault("ZENML_PARAMETER_SIZE_THRESHOLD", "-1")


def name_model(name: str) -> None:
    """Let the pipeline being composed make versions of the ZenML model ``name``."""
    from zenml import Model
    from zenml.pipelines.compilation_context import PipelineCompilationContext

    context = PipelineCompilationContext.get()
    if context is not None:
        context.pipeline.configure(model=Model(name=name))


def all_cached(besides: frozenset[str]) -> bool:
    """Tell whether every step of the current run, ``besides`` some, was answered from the cache."""
    from zenml import get_step_context
    from zenml.enums import ExecutionStatus

    steps = get_step_context().pipeline_run.steps
    return all(
        step.status == ExecutionStatus.CACHED for name, step in steps.items() if name not in besides
    )
