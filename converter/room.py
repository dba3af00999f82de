"""Whether a conversion has the memory that it needs: asked before any work is done, so that nothing else is in want."""

from dataclasses import replace
from pathlib import Path

from converter.contract import TargetUnavailable
from converter.kind import Kind
from converter.machine import memory
from converter.machine.child import Limits
from converter.machine.memory import in_words

SETTING = "DETECTOR_CONVERT_MEMORY_MIB"


def weights_bytes(source: Path) -> tuple[int, int]:
    """What the weights of the SavedModel in `source` take on disk: its variables, and its graph with its constants."""
    variables = sum(path.stat().st_size for path in (source / "variables").glob("*") if path.is_file())
    return variables, (source / "saved_model.pb").stat().st_size


def too_large(kind: Kind, source: Path) -> bool:
    """Whether a copy of this kind may not hold the weights; which of them it uses is known when it is loaded."""
    return kind.most_weights_bytes is not None and sum(weights_bytes(source)) > kind.most_weights_bytes


def limit(kind: Kind, source: Path) -> int | None:
    """The most bytes of weights that a copy of this kind may hold, where `source` has more; else None."""
    return kind.most_weights_bytes if too_large(kind, source) else None


def checked(kind: Kind, source: Path, limits: Limits, *, root: Path = memory.ROOT) -> Limits:
    """`limits` with a limit for memory: the one that it has, else what can be spared; TargetUnavailable if it can't do.

    Of a limit that somebody chose only what the weights need is asked: the rest is known less well than they may know.
    """
    weights = weights_bytes(source)
    if too_large(kind, source):
        return limits
    chosen = limits.memory_bytes
    allowed = memory.spare_bytes(root=root) if chosen is None else chosen
    needed = kind.memory.needed(*weights, alone=chosen is not None)
    if needed <= allowed:
        return replace(limits, memory_bytes=allowed)
    needs = f"the {kind.title} of {in_words(sum(weights))} of weights needs about {in_words(needed)} of memory"
    if chosen is None:
        free = f"{in_words(memory.available_bytes(root=root))} are free and {in_words(allowed)} of them may be used"
        raise TargetUnavailable(f"{needs}: {free} (unless {SETTING} or --memory-limit-mib says otherwise)")
    raise TargetUnavailable(f"{needs}: {SETTING} or --memory-limit-mib allows {in_words(allowed)}")
