"""A TF-TRT copy without engines would fall back silently, and even win: however it is offered, it is refused."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.settings import bundled_model
from benchmarks.serving import Server, serving
from converter.contract import Options, Report
from converter.disk import checks
from converter.identity import identify
from converter.machine.environment import Environment, as_json
from converter.targets import KINDS
from tests.support.converter.readonly import obeying_permissions

pytestmark = pytest.mark.tensorflow

NEVER_BUILT = (
    "1 of its 1 TensorRT engines were never built: assets/trt-serialized-engine.TRTEngineOp_000_000 is missing"
)
A_TRT_COPY = "its graph has TensorRT engines, so it is a TF-TRT copy and must be offered as one"
H100 = Environment(
    tensorflow="2.14.1",
    tensorrt_linked=(8, 5, 3),
    tensorrt_loaded=(8, 5, 3),
    gpus=("NVIDIA H100 80GB HBM3",),
    compute_capability="9.0",
)
QUICK = {
    "DETECTOR_COPIES": "trt,frozen",
    "DETECTOR_STARTUP_CONVERSION": "off",
    "DETECTOR_MAX_BATCH": "1",
    "LD_LIBRARY_PATH": "",
}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder of versions with the bundled model."""
    shutil.copytree(bundled_model() / "1", tmp_path / "models" / "1")
    return tmp_path / "models"


@contextmanager
def looking_at(models: Path, **environ: str) -> Iterator[Server]:
    """A ready server for `models` that has looked at every copy; a read-only folder is read-only to it."""
    context = serving({**QUICK, "DETECTOR_MODEL": str(models), **environ})
    server = obeying_permissions(context.__enter__)
    try:
        server.wait_until_ready()
        server.wait_until(lambda: settled(server))
        yield server
    finally:
        context.__exit__(None, None, None)


def settled(server: Server) -> bool:
    """Whether it has looked at every copy."""
    return all(told["state"] != "loading" for told in server.model()["backends"].values())


def forge_report(folder: Path, target: str) -> None:
    """A report such as a good copy of this model has, over the files that are there."""
    options = Options(target=target, batch_sizes=KINDS[target].sizes())
    report = Report(
        target=target,
        options=options,
        identity=identify(folder.with_name("1"), options, H100),
        environment=as_json(H100),
        created="2026-11-25T09:00:00+00:00",
        seconds={"build": 112.0},
        source_bytes=0,
        size_bytes=0,
        batch_sizes=options.batch_sizes,
        facts={"engines": 1, "operations": 882, "operations_converted": 744},
        probe={},
        latency={},
        agreement={},
    )
    checks.add_report(folder, report)


def assert_refused(server: Server, photo: bytes, *, name: str, reason: str) -> None:
    """The state at /model, the answer to who asks for it by name, and native beside it."""
    told = server.model()["backends"][name]
    assert (told["state"], told["reason"]) == ("refused", reason)
    answer = server.detect(photo, backend=name)
    assert (answer.status_code, answer.json()["code"]) == (503, "backend_unavailable")
    assert reason in answer.json()["error"]
    for backend in ("native", "auto"):
        response = server.detect(photo, backend=backend)
        assert (response.status_code, response.headers["X-Backend"]) == (200, "native")
    assert server.metric("detector_backend_state", backend=name, state="refused") == 1
    assert server.metric("detector_stage_duration_seconds_count", backend=name) == 0


@pytest.mark.parametrize(
    ("with_library", "with_report"),
    [(False, False), (True, True)],
    ids=["bare", "with a TensorRT library and a forged report"],
)
def test_beside_the_model_it_is_refused_under_either_name(
    models: Path,
    engineless_trt: Path,
    standin_library: Path,
    photos: dict[str, bytes],
    *,
    with_library: bool,
    with_report: bool,
) -> None:
    for target in ("trt", "frozen"):
        shutil.copytree(engineless_trt, models / f"1_{target}")
        if with_report:
            forge_report(models / f"1_{target}", target)
    with looking_at(models, LD_LIBRARY_PATH=str(standin_library) if with_library else "") as server:
        assert_refused(server, photos["dog"], name="trt", reason=f"no_engine: 1_trt: {NEVER_BUILT}")
        assert_refused(server, photos["dog"], name="frozen", reason=f"not_what_it_says: 1_frozen: {A_TRT_COPY}")


def test_in_the_cache_of_a_read_only_model_it_is_refused(
    models: Path, engineless_trt: Path, tmp_path: Path, photos: dict[str, bytes]
) -> None:
    digest = hashlib.sha256(os.fsencode(models.resolve())).hexdigest()
    shutil.copytree(engineless_trt, tmp_path / "cache" / f"{models.name}-{digest[:8]}" / "1_trt")
    models.chmod(0o555)
    try:
        with looking_at(models, DETECTOR_CACHE=str(tmp_path / "cache")) as server:
            assert_refused(server, photos["dog"], name="trt", reason=f"no_engine: 1_trt: {NEVER_BUILT}")
    finally:
        models.chmod(0o755)


@pytest.mark.parametrize("name", ["1_trt", "2"])
def test_as_the_model_itself_it_ends_the_server_with_a_sentence(models: Path, engineless_trt: Path, name: str) -> None:
    folder = shutil.copytree(engineless_trt, models / name)
    offered = folder if name == "1_trt" else models  # the newest version is taken
    with serving({**QUICK, "DETECTOR_MODEL": str(offered)}) as server:
        assert server.process.wait(timeout=60) == 1
        log = server.log.read_text()
    assert log.splitlines()[-1] == (
        f"serve: the model {folder} can't be served: {name} is a TF-TRT copy: its graph has TensorRT engines; "
        "the SavedModel it was made from is needed"
    )
    assert "Traceback" not in log
