"""Starts processes for which a read-only folder is read-only even if they are root's, as in a container or a CI job."""

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

# prctl(2), capabilities(7): what a thread takes out of its bounding set, no program that it starts gets.
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1


def obeying_permissions(start: Callable[[], T]) -> T:
    """`start()` in a thread of its own; the processes it starts can't write where the permissions forbid it."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_start, start).result()


def _start(start: Callable[[], T]) -> T:
    if os.geteuid() == 0 and ctypes.CDLL(None, use_errno=True).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "root's right to write everywhere can't be given up here")
    return start()
