"""What a process that runs a model may not do: gain privileges, leave its memory on the disk, write huge files.

A SavedModel is a program. This is no sandbox: it reads what its user may read, and may use the network.
"""

import ctypes
import os
import resource
import sys

_SET_DUMPABLE, _SET_NO_NEW_PRIVILEGES = 4, 38  # linux/prctl.h
# For a worker, which writes little: kernels of CUDA (CUDA_CACHE_PATH), engines, and what it finds of a model.
SPARE_BYTES = 1 << 30


def confine(*, largest_file: int | None = None) -> None:
    """From now on, this process and its children: no new privileges, no core dumps, no file over `largest_file` bytes.

    A file that grows beyond it is an OSError (EFBIG). What a system can't limit stays unlimited; that privileges can
    be gained is told on standard error.
    """
    if problem := _prctl(_SET_NO_NEW_PRIVILEGES, 1):
        sys.stderr.write(f"this process can't be kept from gaining privileges (no_new_privs): {problem}\n")
    _limit(resource.RLIMIT_CORE, 0)
    if largest_file is not None:
        _limit(resource.RLIMIT_FSIZE, largest_file)


def close_to_others() -> None:
    """No other process of this user may read this one's memory or its environment at start (man 2 prctl, dumpable)."""
    _prctl(_SET_DUMPABLE, 0)


def _limit(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    lowest = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (lowest, lowest))


def _prctl(option: int, value: int) -> str | None:
    """Why the system refuses it, or None."""
    prctl = getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)
    if prctl is None:
        return "only Linux has prctl"
    prctl.argtypes, prctl.restype = [ctypes.c_int, *[ctypes.c_ulong] * 4], ctypes.c_int
    return os.strerror(ctypes.get_errno()) if prctl(option, value, 0, 0, 0) else None
