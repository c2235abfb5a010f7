import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from models.artifacts import verify_artifact
from models.errors import CorruptArtifactError, ReleaseError
from models.training.scoring import score
from steps.adapters.bento import (
    BentoRef,
    bento_path,
    bentoml_environment,
    build_bento,
    export_bento,
    import_bento,
    model_path,
)
from tests.models.serving.bad_requests import BAD, GOOD
from tests.models.serving.shop import Shop

JSON = {"content-type": "application/json"}
Answer = tuple[int, Any]


class Server:
    """A running ``bentoml serve``, asked over one connection as a client would."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(self, path: str, body: bytes | None = None, method: str = "POST") -> Answer:
        self.connection.request(method, path, body, JSON)
        answer = self.connection.getresponse()
        text = answer.read().decode()
        is_json = answer.headers.get_content_type() == "application/json"
        return answer.status, json.loads(text) if is_json else text


@contextmanager
def serving(bento: Path, home: Path, port: int) -> Iterator[Server]:
    command = [sys.executable, "-m", "bentoml", "serve", str(bento)]
    with subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        cwd=home, env=bentoml_environment(home), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        server = Server(process, port)
        try:
            _wait_until_ready(server)
            yield server
        finally:
            server.connection.close()
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


def _wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            if server.ask("/readyz", method="GET")[0] == 200:
                return
        except (OSError, http.client.HTTPException):
            server.connection.close()
            time.sleep(0.1)
    raise AssertionError("the server did not become ready")


@pytest.mark.slow
def test_a_served_bento_scores_as_the_model_does_offline(
    bentos: tuple[BentoRef, BentoRef], shop: Shop, free_port: int
) -> None:
    rows = np.random.default_rng(1).permutation(shop.store.num_examples)[:1000]
    offline = score(shop.models["daian"], shop.store, rows).probability
    place = {row: index for index, row in enumerate(rows.tolist())}
    served = np.full(1000, np.nan)
    bento = bentos[1]
    with serving(Path(bento.path), Path(bento.home), free_port) as server:
        for of_request, request in shop.requests(rows):
            status, told = server.ask("/score", request.model_dump_json().encode())
            assert (status, told["model_version"]) == (200, "two")
            served[[place[row] for row in of_request]] = told["probabilities"]
        for name, (body, word) in BAD.items():
            status, told = server.ask("/score", body)
            assert status == 400, name
            assert word in " ".join(told["error"].values()), name
        assert server.ask("/score", json.dumps(GOOD).encode())[0] == 200
        assert server.ask("/livez", method="GET")[0] == 200
        assert 'endpoint="/score"' in server.ask("/metrics", method="GET")[1]
        assert server.ask("/model", method="GET")[1]["content_hash"] == bento.model_hash
        assert _listening_addresses(server.process.pid) == {"127.0.0.1"}
    np.testing.assert_allclose(served, offline, rtol=0, atol=1e-6)


def _listening_addresses(pid: int) -> set[str]:
    parent = psutil.Process(pid)
    return {
        connection.laddr.ip
        for process in (parent, *parent.children(recursive=True))
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


def test_a_bento_holds_the_model_whole(bentos: tuple[BentoRef, BentoRef], shop: Shop) -> None:
    for bento, name in zip(bentos, ("din", "daian"), strict=True):
        manifest = verify_artifact(model_path(Path(bento.home), bento.version), "ctr_model")
        assert manifest == verify_artifact(shop.folders[name])
        assert bento.model_hash == manifest.content_hash
        assert bento.size_bytes > 10_000


def test_a_bento_that_stands_is_not_built_again(
    bentos: tuple[BentoRef, BentoRef], shop: Shop
) -> None:
    before = (Path(bentos[0].path) / "bento.yaml").stat()
    again = build_bento(shop.folders["din"], version="one", home=Path(bentos[0].home))
    assert again == bentos[0]
    after = (Path(bentos[0].path) / "bento.yaml").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_nothing_is_left_beside_the_bentos(bentos: tuple[BentoRef, BentoRef]) -> None:
    assert not list(Path(bentos[0].home).rglob(".partial-*"))
    assert bento_path(Path(bentos[0].home), "latest").read_text() in {"one", "two"}


def test_an_exported_bento_is_imported_bit_equal(
    bentos: tuple[BentoRef, BentoRef], tmp_path: Path
) -> None:
    archive, home = tmp_path / "archives" / "one.tar", tmp_path / ".production"
    export_bento(Path(bentos[0].path), archive)
    place = import_bento(archive, version="one", home=home)
    theirs = Path(bentos[0].path)
    names = sorted(path.relative_to(theirs) for path in theirs.rglob("*") if path.is_file())
    assert names == sorted(p.relative_to(place) for p in place.rglob("*") if p.is_file())
    assert all((place / name).read_bytes() == (theirs / name).read_bytes() for name in names)
    with pytest.raises((CorruptArtifactError, ReleaseError)):
        import_bento(archive, version="other", home=home)
    archive.write_bytes(archive.read_bytes()[:1000])
    with pytest.raises(ReleaseError, match="no whole Bento"):
        import_bento(archive, version="one", home=tmp_path / "third")
    assert bento_path(home, "one").is_dir()


def test_a_damaged_model_is_never_packaged(shop: Shop, tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(shop.folders["din"], tmp_path / "model")
    (folder / "model.json").write_text("{}")
    with pytest.raises(CorruptArtifactError, match=r"model\.json"):
        build_bento(folder, version="bad", home=tmp_path / "home")
    assert not (tmp_path / "home" / "bentos").exists()
