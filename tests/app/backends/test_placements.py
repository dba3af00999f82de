"""Where replicas run: a pure function of what is set, of the GPUs and of the cores."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.backends.placement import Placement
from app.backends.placing import here, spread, visible_gpus
from app.setting_errors import WrongSetting
from converter.machine import cores
from tests.support.smi import put_smi

SETTLED = (
    "import os, threading\n"
    "from app.backends.placement import Placement\n"
    "Placement(1, gpu='GPU-b', cores=({core},)).settle()\n"
    "seen = []\n"
    "thread = threading.Thread(target=lambda: seen.append(os.sched_getaffinity(0)))\n"
    "thread.start(); thread.join()\n"
    "print(os.environ['CUDA_VISIBLE_DEVICES'], *seen[0])\n"
)


@pytest.mark.parametrize(
    ("replicas", "gpus", "given"),
    [
        pytest.param(None, ["GPU-a", "GPU-b"], ["GPU-a", "GPU-b"], id="by default one a GPU"),
        pytest.param(4, ["0", "2"], ["0", "2", "0", "2"], id="more than GPUs"),
        pytest.param(2, ["0", "1", "2"], ["0", "1"], id="fewer than GPUs"),
        pytest.param(3, ["GPU-a"], ["GPU-a"] * 3, id="several on one"),
        pytest.param(None, ["GPU-a"], [None], id="one GPU"),
        pytest.param(1, ["GPU-a", "GPU-b"], [None], id="one replica sees what the server sees"),
    ],
)
def test_replicas_are_spread_over_gpus(replicas: int | None, gpus: list[str], given: list[str | None]) -> None:
    placed = spread(replicas, gpus=gpus, usable=(0, 1))
    assert [each.gpu for each in placed] == given
    assert [each.replica for each in placed] == list(range(len(given)))
    assert {each.cores for each in placed} == {()}, "all of the cores decode for all of the GPUs"


@pytest.mark.parametrize(
    ("replicas", "usable", "given"),
    [
        (None, (0, 1), [()]),
        (1, (0, 1, 2, 3), [()]),
        (2, (0, 1), [(0,), (1,)]),
        (2, (3, 5, 8), [(3,), (5, 8)]),
        (3, tuple(range(8)), [(0, 1), (2, 3, 4), (5, 6, 7)]),
    ],
)
def test_without_a_gpu_they_share_the_cores(
    replicas: int | None, usable: Sequence[int], given: list[tuple[int, ...]]
) -> None:
    assert [each.cores for each in spread(replicas, gpus=(), usable=usable)] == given


def test_without_a_gpu_there_are_never_more_than_cores() -> None:
    with pytest.raises(WrongSetting, match=r"DETECTOR_REPLICAS=3: .* needs a core, and this server may use 2"):
        spread(3, gpus=(), usable=(0, 1))


@pytest.mark.parametrize(
    ("said", "visible"),
    [
        (None, ["GPU-a", "GPU-b"]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("1", ["1"]),
        ("2, 0", ["2", "0"]),
        ("GPU-b,MIG-7", ["GPU-b", "MIG-7"]),
        ("0,-1,1", ["0"]),
        ("1,1", ["1"]),
    ],
)
def test_what_the_user_has_made_visible_is_divided(said: str | None, visible: list[str]) -> None:
    assert visible_gpus(said, lambda: ["GPU-a", "GPU-b"]) == visible


@pytest.fixture
def smi_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is searched for an nvidia-smi, and no other."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_this_machine_is_asked_for_its_gpus(smi_folder: Path) -> None:
    assert here(None, {}) == here(None, {"CUDA_VISIBLE_DEVICES": "0,1"}) == (Placement(),), "there is no driver"
    put_smi(smi_folder, {"gpu=driver_version": "550.54", "gpu=uuid": "GPU-a\nGPU-b\nGPU-c"})
    assert [each.gpu for each in here(None, {})] == ["GPU-a", "GPU-b", "GPU-c"]
    assert [each.gpu for each in here(3, {"CUDA_VISIBLE_DEVICES": "1,0"})] == ["1", "0", "1"]
    assert here(None, {"CUDA_VISIBLE_DEVICES": ""}) == (Placement(),)
    assert here(1, {}) == (Placement(),)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux keeps processes to cores")
def test_a_process_keeps_to_its_placement() -> None:
    last = cores.which()[-1]
    done = subprocess.run([sys.executable, "-c", SETTLED.format(core=last)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["GPU-b", str(last)]
