"""Copies where nobody has said which: the machine decides; and how an ONNX copy is asked for."""

import pytest

from converter.contract import Options
from tests.support.app.copying import GPU, PLAIN, Copying, Make

pytestmark = pytest.mark.anyio

NOT_WANTED = "it is not among the copies asked for: by default a machine without a GPU has onnx alone (DETECTOR_COPIES)"


@pytest.fixture(params=[PLAIN, GPU], ids=["without a GPU", "with a GPU"])
def bench(request: pytest.FixtureRequest, make: Make) -> Copying:
    return make(request.param, wanted=None)


async def test_without_a_gpu_it_is_the_onnx_copy_and_with_one_it_is_all(bench: Copying) -> None:
    await bench.prepare()
    unwanted = {name for name in bench.slots if bench.told(name) == ("unavailable", NOT_WANTED)}
    assert unwanted == (set() if bench.found.gpus else {"trt", "frozen"})


async def test_without_its_packages_the_onnx_copy_says_so(bench: Copying) -> None:
    await bench.prepare()
    state, reason = bench.told("onnx")
    assert state == "unavailable"
    assert reason.endswith("pip install '.[onnx]'")


async def test_half_precision_is_the_onnx_copys_too(bench: Copying) -> None:
    assert bench.folders.default_options("onnx") == Options(target="onnx", precision="FP16", batch_sizes=(1, 8))
