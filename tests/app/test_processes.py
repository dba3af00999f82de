"""What processes take is read at each scrape; one that has gone has no series."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.metrics import Metrics
from app.processes import Processes

NAMES = ("detector_process_memory_bytes", "detector_process_cpu_seconds_total", "detector_process_handles")
BUSY = "import sys\nheld = bytearray(64 << 20)\nsum(range(3_000_000))\nprint('ready', flush=True)\nsys.stdin.read()"


def values(processes: Processes) -> dict[tuple[str, str], float]:
    samples = [sample for family in processes.collect() for sample in family.samples]
    return {(sample.name, sample.labels["process"]): sample.value for sample in samples}


def test_a_process_is_told_while_it_lives() -> None:
    processes = Processes()
    with subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        processes.watch("onnx", lambda: child.pid)
        assert child.stdout.readline() == b"ready\n"
        memory, cpu, handles = [values(processes)[name, "onnx"] for name in NAMES]
        opened = len(os.listdir(f"/proc/{child.pid}/fd"))
        child.stdin.close()
    assert 64 << 20 < memory < 128 << 20
    assert 0 < cpu < 60
    assert handles == opened
    assert {name for name, process in values(processes) if process == "onnx"} == set()
    assert {name for name, process in values(processes) if process == "server"} == set(NAMES)


def test_a_backend_without_a_worker_has_no_series() -> None:
    processes = Processes()
    processes.watch("trt", lambda: None)
    assert {process for _, process in values(processes)} == {"server"}


def test_without_proc_there_is_nothing(tmp_path: Path) -> None:
    assert values(Processes(tmp_path)) == {}


@pytest.mark.parametrize("name", NAMES)
def test_the_server_tells_of_itself(name: str) -> None:
    assert f'{name}{{process="server",replica=""}}' in Metrics().text().decode()
