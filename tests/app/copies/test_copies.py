"""Copies at start: each is loaded, refused or said not to be possible, with the reason."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.backends.backend import GpuUse, ModelRefused, Spec, WorkerDied
from converter.comparison import probe
from converter.contract import Options
from converter.machine.environment import Environment
from converter.targets import KINDS
from tests.support.app.copying import GPU, PLAIN, Copying, Make
from tests.support.programs.without_tensorflow import ENGINE

pytestmark = pytest.mark.anyio


async def test_a_copy_that_is_not_wanted_is_never_looked_at(make: Make) -> None:
    bench = make(wanted=())
    bench.put("frozen")
    await bench.prepare()
    not_wanted = ("unavailable", "it is not among the copies asked for (DETECTOR_COPIES)")
    assert bench.told("frozen") == bench.told("trt") == not_wanted
    assert (bench.asked, bench.starter.asked) == (0, [])


async def test_a_copy_that_belongs_here_is_loaded_and_stands_by(make: Make) -> None:
    bench = make(convert=True)
    folder = bench.put("frozen")
    await bench.prepare()
    assert bench.told("frozen") == ("ready", "")
    (spec,) = bench.starter.asked
    assert spec == Spec("frozen", folder, max_batch=8, batches_in_flight=2, load_seconds=60, version="1")
    assert bench.conversions.jobs == []


async def test_what_a_killed_conversion_left_is_swept_away_and_what_it_set_aside_is_put_back(make: Make) -> None:
    bench = make(convert=True)
    folder = bench.put("frozen")
    aside = folder.with_name("1_frozen.stale-x")
    aside.mkdir()
    folder.rename(aside / folder.name)
    folder.with_name("1_frozen.partial-x").mkdir()
    await bench.prepare()
    assert bench.told("frozen") == ("ready", "")
    assert {path.name for path in folder.parent.iterdir()} - {".1_frozen.lock"} == {"1", "1_frozen"}


async def test_a_tf_trt_copy_is_loaded_strictly_at_the_sizes_it_has_engines_for(make: Make) -> None:
    bench = make(GPU, wanted=("trt",))
    bench.put("trt")
    await bench.prepare()
    assert bench.told("trt") == ("ready", "")
    (spec,) = bench.starter.asked
    assert (spec.name, spec.batch_sizes, spec.environ) == ("trt", (1, 2, 4, 8), probe.STRICT)
    assert bench.metrics.registry.get_sample_value("detector_trt_engines") == 3
    assert bench.metrics.registry.get_sample_value("detector_trt_converted_ops_ratio") == 0.75


async def test_settings_say_for_which_batch_sizes_there_are_engines(make: Make) -> None:
    bench = make(GPU)
    bench.folders._served.run = replace(bench.folders._served.run, gpu=GpuUse((1, 4, 8)))
    assert bench.folders.default_options("trt").batch_sizes == (1, 4, 8)


async def test_a_copy_without_report_is_judged_like_any_other(make: Make) -> None:
    bench = make(GPU, wanted=("trt", "frozen"))
    for target in ("trt", "frozen"):
        bench.put(target, report=False)
    await bench.prepare()
    assert bench.told("trt") == bench.told("frozen") == ("ready", "")
    assert [spec.batch_sizes for spec in bench.starter.asked] == [(), (1,)]
    assert [backend.name for backend in bench.judge.asked] == ["frozen", "trt"], "trt is measured against frozen"


@pytest.mark.parametrize("found", [PLAIN, GPU], ids=["no GPU", "GPU"])
async def test_a_tf_trt_copy_without_engines_is_refused_on_any_machine(found: Environment, make: Make) -> None:
    bench = make(found, wanted=("trt",))
    bench.put("trt", engine=False)
    await bench.prepare()
    state, reason = bench.told("trt")
    assert (state, bench.starter.asked) == ("refused", [])
    assert reason.startswith("no_engine: 1_trt: 1 of its 1 TensorRT engines were never built")


async def test_a_copy_with_engines_is_not_taken_for_a_frozen_one(make: Make) -> None:
    bench = make()
    folder = bench.put("frozen")
    (folder / "saved_model.pb").write_text(ENGINE)
    await bench.prepare()
    state, reason = bench.told("frozen")
    assert (state, reason.partition(":")[0], bench.starter.asked) == ("refused", "not_what_it_says", [])


SOFTWARE = {"source_sha256": "f" * 64, "tensorflow": "2.14.0", "tensorflow_build": "v2.14.0 cpu"}
HARDWARE = {"tensorrt": "8.6.1", "gpu": "NVIDIA L4", "compute_capability": "8.9"}
OTHERS = [
    *((target, name, {name: value}) for target in ("trt", "frozen") for name, value in SOFTWARE.items()),
    *(("trt", name, {name: value}) for name, value in HARDWARE.items()),
    *(("trt", name, {"options": {name: "another"}}) for name in KINDS["trt"].shaped_by),
]


@pytest.mark.parametrize(
    ("target", "name", "made_with"), OTHERS, ids=lambda value: value if isinstance(value, str) else ""
)
async def test_a_copy_of_another_identity_is_refused_by_what_differs(
    target: str, name: str, made_with: dict[str, Any], make: Make
) -> None:
    bench = make(GPU, wanted=(target,))
    bench.put(target, **made_with)
    await bench.prepare()
    state, reason = bench.told(target)
    assert (state, bench.starter.asked) == ("refused", [])
    what = {"source_sha256": "belongs to another model"}.get(name, "belongs to something else")
    what = "has other options than are asked for" if "options" in made_with else what
    assert reason.startswith(f"identity: 1_{target} {what}: it was made with {name} ")


async def test_a_copy_of_a_model_that_changed_is_refused(make: Make) -> None:
    bench = make()
    bench.put("frozen")
    (bench.source / "variables" / "variables.index").write_bytes(b"other weights")
    await bench.prepare()
    state, reason = bench.told("frozen")
    assert (state, bench.starter.asked) == ("refused", [])
    assert "made with source_sha256" in reason


async def test_a_damaged_copy_is_refused(make: Make) -> None:
    bench = make()
    (bench.put("frozen") / "saved_model.pb").write_text("another graph")
    await bench.prepare()
    state, reason = bench.told("frozen")
    assert (state, reason.partition(":")[0], bench.starter.asked) == ("refused", "damaged", [])


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (ModelRefused("the model fails on a good photo"), ("refused", "does_not_run: the model fails on a good photo")),
        (WorkerDied("its process ended by SIGABRT"), ("crashed", "its process ended by SIGABRT")),
    ],
)
async def test_a_copy_that_does_not_start_says_how(failure: Exception, told: tuple[str, str], make: Make) -> None:
    bench = make()
    bench.put("frozen")
    bench.starter.failures = [failure]
    await bench.prepare()
    assert bench.told("frozen") == told


@pytest.mark.parametrize(
    ("found", "target", "code", "says"),
    [
        (PLAIN, "trt", "library_missing", "libnvinfer.so.8"),
        (replace(GPU, gpus=()), "trt", "no_gpu", "no NVIDIA GPU"),
        (Environment(tensorflow="2.18.0"), "trt", "tf_without_tensorrt", "without TF-TRT"),
        (Environment(crash="it ended by SIGABRT"), "frozen", "probe_crashed", "SIGABRT"),
    ],
)
@pytest.mark.parametrize("exists", [False, True], ids=["absent", "there"])
async def test_what_can_not_be_here_is_unavailable_with_the_reason(
    found: Environment, target: str, code: str, says: str, exists: bool, make: Make
) -> None:
    bench = make(found, wanted=(target,), convert=True)
    if exists:
        bench.put(target)
    await bench.prepare()
    state, reason = bench.told(target)
    assert (state, reason.partition(":")[0]) == ("unavailable", code)
    assert says in reason
    assert (bench.starter.asked, bench.conversions.jobs) == ([], [])


async def test_a_missing_copy_is_not_made_unless_asked_for(make: Make) -> None:
    bench = make(convert=False)
    await bench.prepare()
    assert bench.told("frozen") == ("unavailable", "no copy has been made yet")
    assert bench.conversions.jobs == []


@pytest.mark.parametrize(("target", "precision", "sizes"), [("trt", "FP16", (1, 2, 4, 8)), ("frozen", "FP32", (1, 8))])
def test_options_at_start_fit_the_target(target: str, precision: str, sizes: tuple[int, ...], tmp_path: Path) -> None:
    bench = Copying(tmp_path, PLAIN, wanted=(), convert=False)
    options = bench.folders.default_options(target)
    assert options == Options(target=target, precision=precision, batch_sizes=sizes)


async def test_the_machine_is_asked_once(make: Make) -> None:
    bench = make(GPU, wanted=("trt", "frozen"))
    for target in ("trt", "frozen"):
        bench.put(target)
    await bench.prepare()
    await bench.copies.load(await bench.folders.wanted_options("frozen"))
    assert bench.asked == 1
