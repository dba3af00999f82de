"""Does things for which a read-only folder is read-only even if root does them, as in a container or a CI job."""

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

# prctl(2), capabilities(7): what a thread takes out of its bounding set, no program that it starts gets. capset(2):
# what it takes out of the effective and the permitted ones, it has no more.
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, VERSION_3 = 24, 1, 0x20080522


def obeying_permissions(start: Callable[[], T]) -> T:
    """`start()` in a thread of its own; it, and what it starts, can't write where the permissions forbid it."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_start, start).result()


def _start(start: Callable[[], T]) -> T:
    libc, header, sets = ctypes.CDLL(None, use_errno=True), (ctypes.c_uint32 * 2)(VERSION_3), (ctypes.c_uint32 * 6)()
    libc.capget(header, sets)
    sets[0] &= ~(1 << CAP_DAC_OVERRIDE)
    sets[1] &= ~(1 << CAP_DAC_OVERRIDE)
    if os.geteuid() == 0 and (libc.prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0) or libc.capset(header, sets)):
        raise OSError(ctypes.get_errno(), "root's right to write everywhere can't be given up here")
    return start()
