"""The names of folders that stand beside a copy while it is written or replaced."""

from pathlib import Path

_PARTIAL, _STALE = ".partial-", ".stale-"


def partial_prefix(folder: Path) -> str:
    """How the name of a folder begins in which the copy `folder` is written."""
    return folder.name + _PARTIAL


def stale_prefix(folder: Path) -> str:
    """How the name of a folder begins in which the copy `folder` is set aside for a new one."""
    return folder.name + _STALE


def is_left_over(path: Path, folder: Path) -> bool:
    """Whether `path` is a folder of either kind beside the copy `folder`."""
    return path.name.startswith((partial_prefix(folder), stale_prefix(folder)))


def published(folder: Path) -> Path:
    """Where a copy will be once it is complete; `folder` itself if it is not being written."""
    return folder.with_name(folder.name.partition(_PARTIAL)[0])
