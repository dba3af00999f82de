"""ONNX Runtime's execution providers: which are asked for, with which options, and which each node really got.

ONNX Runtime falls back to the next provider without raising: only a session's own record says what runs where.
"""

import ctypes
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime

TENSORRT, CUDA, CPU = "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"
# What must be there for a provider to work; ONNX Runtime for GPUs offers both without it.
_LIBRARIES = {TENSORRT: ("libcuda.so.1", "libnvinfer.so.10"), CUDA: ("libcuda.so.1",), CPU: ()}
VERSION = onnxruntime.__version__
_SUFFIX = "ExecutionProvider"
_WORK = {"Conv", "ConvTranspose", "FusedConv", "FusedMatMul", "Gemm", "MatMul", "QLinearConv", "QLinearMatMul"}
_RECORD = "session.record_ep_graph_assignment_info"
_WEIGHTS = "session.model_external_initializers_file_folder_path"

Asked = Sequence[tuple[str, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Assigned:
    """What became of a session's nodes."""

    nodes: Mapping[str, int]  # by provider, as TensorRT calls itself: `Tensorrt`, `CUDA`, `CPU`
    reason: str | None = None  # of a fallback, as a word: none_there or some_elsewhere
    fallback: str | None = None  # the same as a sentence


@dataclass(frozen=True, slots=True)
class Share:
    """What a copy may use of a GPU."""

    lanes: int = 1  # batches that it runs at once
    batch_sizes: tuple[int, ...] = (1,)  # that it will be run with
    memory_bytes: int | None = None  # most for weights and tensors; None: any

    def of_session(self, batch: int, weights_bytes: int) -> int | None:
        """Most for the session of one lane and one batch size: its weights, and a part of what the weights leave.

        Half of that goes to all alike, half by their batches; a quarter of the memory is for what prepares pictures.
        ValueError if the weights alone do not fit so often.
        """
        if self.memory_bytes is None:
            return None
        sessions, limit = self.lanes * len(self.batch_sizes), self.memory_bytes * 3 // 4
        left = limit - sessions * weights_bytes
        if left <= 0:
            raise ValueError(f"{limit >> 20} MiB do not hold the weights of {sessions} sessions")
        return weights_bytes + left // (2 * sessions) + left * batch // (2 * self.lanes * sum(self.batch_sizes))


def available(
    offered: Sequence[str] | None = None, *, loads: Callable[[str], bool] | None = None, tensorrt: bool = False
) -> list[str]:
    """The providers that this machine has, the fastest first; TensorRT only if it is asked for.

    `offered` by ONNX Runtime; `loads` opens a library.
    """
    offered = onnxruntime.get_available_providers() if offered is None else offered
    loads = loads or _loads
    known = {name: needed for name, needed in _LIBRARIES.items() if name != TENSORRT or tensorrt}
    return [name for name, needed in known.items() if name in offered and all(map(loads, needed))]


def asked(names: Sequence[str], *, engines: Path, fp16: bool, memory_bytes: int | None = None) -> Asked:
    """The providers of these names with their options; TensorRT keeps its engines in the folder `engines`."""
    options: dict[str, dict[str, Any]] = {
        TENSORRT: {"trt_fp16_enable": fp16, **(_kept(engines) if TENSORRT in names else {})},
        CUDA: {
            # An exhaustive search would run again for each size of batch, inside a request.
            "cudnn_conv_algo_search": "HEURISTIC",
            "cudnn_conv_use_max_workspace": "1",
            **limited(memory_bytes),
        },
    }
    return [(name, options.get(name, {})) for name in names]


def limited(memory_bytes: int | None) -> dict[str, str]:
    """CUDA's options for a session that may take so much."""
    return {} if memory_bytes is None else {"gpu_mem_limit": str(memory_bytes)}


def changed(wanted: Asked, options: Mapping[str, str]) -> Asked:
    """The same with other options for CUDA."""
    return [(name, {**each, **options} if name == CUDA else each) for name, each in wanted]


def _kept(engines: Path) -> dict[str, Any]:
    """An engine takes minutes to build, and belongs to one GPU, one TensorRT and one graph: TensorRT knows which."""
    try:
        engines.mkdir(parents=True, exist_ok=True)
    except OSError:
        return {}  # the folder can't be written: they are built at each start
    return {
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(engines),
        "trt_timing_cache_enable": True,
        "trt_timing_cache_path": str(engines),
    }


def session(
    graph: Path | bytes, wanted: Asked, *, threads: int, any_size: bool = False, weights: Path | None = None
) -> onnxruntime.InferenceSession:
    """A session that records what it does with each node; `threads` compute one operation on a CPU.

    `any_size`: its inputs are of any size. It then keeps no memory for the next call: that would be the largest's.
    `weights`: the folder where a graph that is no file has its large weights.
    """
    settings = onnxruntime.SessionOptions()
    settings.enable_cpu_mem_arena = settings.enable_mem_pattern = not any_size
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    settings.log_severity_level = 3  # errors
    # Threads of several sessions that spin while they wait would take the cores from each other.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    settings.add_session_config_entry(_RECORD, "1")
    if weights is not None:
        settings.add_session_config_entry(_WEIGHTS, str(weights))
    if any(name != CPU for name, _ in wanted):
        preload()
    given = graph if isinstance(graph, bytes) else str(graph)
    return onnxruntime.InferenceSession(given, settings, providers=[(name, dict(each)) for name, each in wanted])


def preload() -> None:
    """Load CUDA and cuDNN as pip installs them."""
    onnxruntime.preload_dlls()


def assigned(opened: onnxruntime.InferenceSession, names: Sequence[str]) -> Assigned:
    """What the session, which asked for the providers of these `names` in this order, did with its nodes."""
    found, work = Counter[str](), Counter[str]()
    for part in opened.get_provider_graph_assignment_info():
        nodes = part.get_nodes()
        found[part.ep_name] += len(nodes)
        work[part.ep_name] += sum(node.op_type in _WORK for node in nodes)
    return judged(found, names, work_on_cpu=work[CPU])


def judged(nodes: Mapping[str, int], names: Sequence[str], *, work_on_cpu: int = 0) -> Assigned:
    """Whether these `nodes`, by provider, are what asking for `names` in this order should have come to.

    Beside a GPU's provider ONNX Runtime puts operations on shapes and a few numbers on the CPU of its own accord; only
    `work_on_cpu`, the number of those that carry the work, tells of a fallback.
    """
    counts = {_short(name): count for name, count in nodes.items() if count}
    total = sum(counts.values())
    best = next((name for name in names if name != CPU), CPU)
    if not nodes.get(best):
        instead = " and ".join(counts) or "nothing"
        return Assigned(
            counts, "none_there", f"{_short(best)} was asked for and runs none of {total} nodes, {instead} does"
        )
    if best != CPU and work_on_cpu:
        return Assigned(
            counts, "some_elsewhere", f"{work_on_cpu} convolutions or products run on the CPU, not on {_short(best)}"
        )
    return Assigned(counts)


def _short(name: str) -> str:
    return name.removesuffix(_SUFFIX)


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
