"""Which of a worker's lines are told as its last one."""

import os

import pytest

from app.backends.worker_log import WorkerLog

pytestmark = pytest.mark.anyio
NO_TENSORRT = (
    "2026-11-29 20:46:42.850871: W tensorflow/compiler/tf2tensorrt/utils/py_utils.cc:38] "
    "TF-TRT Warning: Could not find TensorRT"
)
NO_MEMORY = "2026-11-29 20:46:43.1: W tensorflow/core/framework/op_kernel.cc:1] OOM when allocating tensor"


@pytest.mark.parametrize(
    ("lines", "last"),
    [
        ([NO_TENSORRT], ""),
        ([NO_MEMORY, NO_TENSORRT], NO_MEMORY),
        ([NO_TENSORRT, "terminate called"], "terminate called"),
    ],
)
async def test_what_every_worker_says_is_not_told_as_the_cause_of_its_end(lines: list[str], last: str) -> None:
    log = WorkerLog("native", None)
    assert log.handle is not None
    os.write(log.handle, "".join(f"{line}\n" for line in lines).encode())
    await log.begin()
    await log.ended()
    assert log.last_line == last
