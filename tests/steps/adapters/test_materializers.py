"""ZenML keeps references as JSON, with static pages for its dashboard and no pickle."""

from pathlib import Path

import pytest
from zenml.artifact_stores import LocalArtifactStore, LocalArtifactStoreConfig
from zenml.enums import StackComponentType, VisualizationType

from models.artifacts import ArtifactRef, Scalar
from steps.adapters.materializers import ArtifactRefMaterializer
from steps.adapters.workspace import produce


@pytest.fixture(name="materializer")
def _materializer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactRefMaterializer:
    monkeypatch.setenv("INTENTFLOW_HOME", str(tmp_path / "state"))
    store = tmp_path / "store"
    store.mkdir()
    from datetime import UTC, datetime
    from uuid import uuid4

    now = datetime.now(UTC)
    artifact_store = LocalArtifactStore(
        name="local",
        id=uuid4(),
        config=LocalArtifactStoreConfig(path=str(store)),
        flavor="local",
        type=StackComponentType.ARTIFACT_STORE,
        user=None,
        created=now,
        updated=now,
    )
    (store / "ref").mkdir()
    return ArtifactRefMaterializer(uri=str(store / "ref"), artifact_store=artifact_store)


def evaluation() -> ArtifactRef:
    def write(folder: Path) -> dict[str, Scalar]:
        (folder / "evaluation.html").write_text("<html>figures</html>")
        (folder / "drift.html").write_text("<html>figures</html>")
        (folder / "raw.html").write_text("<script>blocked</script>")
        return {"test/auc": 0.75, "test/none": None}

    return produce("evaluation", write, config={}, parents={}, library="code")


def test_a_reference_survives_the_round_trip(materializer: ArtifactRefMaterializer) -> None:
    ref = evaluation()
    materializer.save(ref)
    assert materializer.load(ArtifactRef) == ref
    assert [path.name for path in Path(materializer.uri).iterdir()] == ["reference.json"]


def test_only_our_static_pages_are_shown(materializer: ArtifactRefMaterializer) -> None:
    shown = materializer.save_visualizations(evaluation())
    assert {Path(uri).name: kind for uri, kind in shown.items()} == {
        "evaluation.html": VisualizationType.HTML
    }
    assert Path(next(iter(shown))).read_text() == "<html>figures</html>"


def test_the_figures_are_metadata_and_the_bytes_are_the_cache_key(
    materializer: ArtifactRefMaterializer,
) -> None:
    ref = evaluation()
    metadata = materializer.extract_metadata(ref)
    assert metadata["test/auc"] == 0.75
    assert "test/none" not in metadata
    assert metadata["content_hash"] == ref.content_hash == materializer.compute_content_hash(ref)
