"""Memory: is there enough for a second worker, by what the machine, the container and the GPU say; giving it back.

A process that has freed memory may still hold it: glibc keeps it for what is asked for next.
"""

from pathlib import Path

from converter.machine import nvidia
from converter.machine.memory import ROOT, available_bytes, held_bytes, in_words


def lacking(pid: int, *, with_gpu: bool = True, root: Path = ROOT) -> str | None:
    """Why a second worker like process `pid` has no room here, as a sentence; None when it has or nobody knows.

    `with_gpu`: on the same GPU too. Takes as long as nvidia-smi: up to some seconds on a machine with a GPU.
    """
    try:
        held, free = held_bytes(pid, root=root), available_bytes(root=root)
    except OSError:
        return None  # it has ended: there will be one worker, not two
    if free < held:
        return _sentence("memory", held, free)
    gpu = gpu_free_and_used(pid) if with_gpu else None
    return _sentence("GPU memory", held=gpu[1], free=gpu[0]) if gpu and gpu[0] < gpu[1] else None


def gpu_free_and_used(pid: int) -> tuple[int, int] | None:
    """Bytes that are free on the GPU of process `pid` and that it holds there; None if that can't be known.

    Of several GPUs the one with the least to spare.
    """
    held = nvidia.held_by_gpu(pid)
    if not held:
        return None
    free = {gpu: int(mib) << 20 for gpu, mib in nvidia.smi("gpu=uuid,memory.free") if mib.isdigit()}
    pairs = [(free[gpu], held[gpu]) for gpu in held if gpu in free]
    return min(pairs, key=lambda pair: pair[0] - pair[1], default=None)


def _sentence(kind: str, held: int, free: int) -> str:
    return (
        f"there is not enough {kind} for two: the worker that serves now holds {in_words(held)} "
        f"and {in_words(free)} are free"
    )
