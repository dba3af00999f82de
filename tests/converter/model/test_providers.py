"""Which of ONNX Runtime's providers are asked for, and what is said of what they really run."""

from pathlib import Path

import pytest

from converter.model import providers
from converter.model.providers import CPU, CUDA, TENSORRT, Share
from tests.support.converter import graphs

EVERY = [TENSORRT, CUDA, CPU]


@pytest.mark.parametrize(
    ("offered", "libraries", "found"),
    [
        (["AzureExecutionProvider", CPU], {"libcuda.so.1"}, [CPU]),
        (EVERY, set(), [CPU]),
        (EVERY, {"libcuda.so.1"}, [CUDA, CPU]),
        (EVERY, {"libcuda.so.1", "libnvinfer.so.10"}, [TENSORRT, CUDA, CPU]),
        (EVERY, {"libnvinfer.so.10"}, [CPU]),
    ],
)
def test_providers_are_those_that_are_offered_and_have_their_libraries(
    offered: list[str], libraries: set[str], found: list[str]
) -> None:
    assert providers.available(offered, loads=libraries.__contains__, tensorrt=True) == found
    usual = providers.available(offered, loads=libraries.__contains__)
    assert usual == [name for name in found if name != TENSORRT], "it must be asked for"


def test_sessions_share_what_pictures_leave_by_their_batches() -> None:
    share = Share(lanes=2, batch_sizes=(1, 3), memory_bytes=1600)
    limits = [share.of_session(size, 100) for size in share.batch_sizes]
    assert limits == [250, 350]
    assert share.lanes * sum(each or 0 for each in limits) == 1600 * 3 // 4
    assert Share(lanes=2).of_session(8, 100) is None
    with pytest.raises(ValueError, match="do not hold the weights of 4 sessions"):
        share.of_session(1, 300)


def test_memory_is_limited_where_somebody_says_so(tmp_path: Path) -> None:
    asked = providers.asked([CUDA, CPU], engines=tmp_path, fp16=False, memory_bytes=1000)
    assert dict(asked)[CUDA]["gpu_mem_limit"] == "1000"
    assert "gpu_mem_limit" not in dict(providers.asked([CUDA, CPU], engines=tmp_path, fp16=False))[CUDA]


def test_this_machine_has_a_cpu() -> None:
    assert providers.available()[-1] == CPU


def test_engines_and_timings_are_kept_and_searches_do_not_happen_in_requests(tmp_path: Path) -> None:
    asked = dict(providers.asked(EVERY, engines=tmp_path / "engines", fp16=True))
    assert list(asked) == EVERY
    assert asked[TENSORRT]["trt_engine_cache_path"] == asked[TENSORRT]["trt_timing_cache_path"]
    assert asked[TENSORRT]["trt_engine_cache_path"] == str(tmp_path / "engines")
    assert asked[TENSORRT]["trt_fp16_enable"]
    assert asked[CUDA]["cudnn_conv_algo_search"] == "HEURISTIC"
    assert asked[CPU] == {}


def test_where_no_folder_can_be_made_engines_are_built_at_each_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    asked = dict(providers.asked(EVERY, engines=tmp_path / "file" / "engines", fp16=False))
    assert asked[TENSORRT] == {"trt_fp16_enable": False}


def test_a_machine_without_tensorrt_gets_no_folder_for_engines(tmp_path: Path) -> None:
    providers.asked([CUDA, CPU], engines=tmp_path / "engines", fp16=False)
    assert not (tmp_path / "engines").exists()


@pytest.mark.parametrize(
    ("nodes", "asked", "work", "reason", "says"),
    [
        ({CPU: 446}, [CPU], 111, None, None),
        ({CUDA: 440}, [CUDA, CPU], 0, None, None),
        ({TENSORRT: 1}, EVERY, 0, None, None),
        ({TENSORRT: 1, CUDA: 6}, EVERY, 0, None, None),
        ({CPU: 446}, [CUDA, CPU], 111, "none_there", "CUDA was asked for and runs none of 446 nodes, CPU does"),
        ({CUDA: 446}, EVERY, 0, "none_there", "Tensorrt was asked for and runs none of 446 nodes, CUDA does"),
        ({CUDA: 440, CPU: 6}, [CUDA, CPU], 0, None, None),
        (
            {CUDA: 440, CPU: 6},
            [CUDA, CPU],
            2,
            "some_elsewhere",
            "2 convolutions or products run on the CPU, not on CUDA",
        ),
    ],
)
def test_a_fallback_is_told(
    nodes: dict[str, int], asked: list[str], work: int, reason: str | None, says: str | None
) -> None:
    found = providers.judged(nodes, asked, work_on_cpu=work)
    assert (found.reason, found.fallback) == (reason, says)
    assert sum(found.nodes.values()) == sum(nodes.values())


def test_a_session_tells_what_runs_each_of_its_nodes(tmp_path: Path) -> None:
    session = providers.session(graphs.written(tmp_path / "network.onnx", graphs.network()), [(CPU, {})], threads=1)
    found = providers.assigned(session, [CPU])
    assert set(found.nodes) == {"CPU"}
    assert found.nodes["CPU"] >= 1
    assert found.fallback is None
