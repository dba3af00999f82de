"""Locks of other processes, and a process for which nothing can be locked."""

import ctypes
import errno
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

import pytest

from converter.disk import publish

T = TypeVar("T")

_HOLD = """
import os, pathlib, sys
from converter.disk import locks
path, command = pathlib.Path(sys.argv[1]), sys.argv[2]
handle = os.open(path, os.O_RDWR | os.O_CREAT)
if command == "flock":
    import fcntl
    fcntl.flock(handle, fcntl.LOCK_EX)
else:
    assert locks.take(handle) is locks.Took.HELD
print("held", flush=True)
sys.stdin.read()
"""

# fcntl(2) alone answers ENOLCK where a lock is set: seccomp(2), linux/filter.h. Code, jump if, jump if not, value.
_NO_LOCKS = [
    (0x20, 0, 0, 0),  # the number of the system call
    (0x15, 0, 5, 72),  # fcntl
    (0x20, 0, 0, 24),  # its second argument
    (0x15, 2, 0, 6),  # F_SETLK
    (0x15, 1, 0, 37),  # F_OFD_SETLK
    (0x06, 0, 0, 0x7FFF0000),  # allowed
    (0x06, 0, 0, 0x00050000 | errno.ENOLCK),
    (0x06, 0, 0, 0x7FFF0000),
]


def alone(folder: Path, *, within_s: float = 0) -> AbstractContextManager[bool]:
    """As one that makes the copy at `folder`."""
    return publish.exclusive(folder, until=time.monotonic() + within_s, waiting=nullcontext)


@contextmanager
def locked_by_another(path: Path, *, command: str = "take") -> Iterator[None]:
    """In the block another process holds the lock of a file, by `flock` if that is the command."""
    started = [sys.executable, "-c", _HOLD, str(path), command]
    with subprocess.Popen(started, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.kill()


class _Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("k", ctypes.c_uint32)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction))]


def without_locks(do: Callable[[], T]) -> T:
    """`do()` in a thread of its own for which, and for whose children, no file system can lock a file."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_without_locks, do).result()


def _without_locks(do: Callable[[], T]) -> T:
    if platform.machine() != "x86_64":
        pytest.skip("the filter has the system calls of x86-64")
    libc = ctypes.CDLL(None, use_errno=True)
    program = _Program(len(_NO_LOCKS), (_Instruction * len(_NO_LOCKS))(*(_Instruction(*each) for each in _NO_LOCKS)))
    # PR_SET_NO_NEW_PRIVS, and PR_SET_SECCOMP with SECCOMP_MODE_FILTER: of this thread alone
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(program)):
        raise OSError(ctypes.get_errno(), "no filter can be set here")
    return do()
