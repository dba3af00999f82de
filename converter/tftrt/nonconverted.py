"""Why TF-TRT left operations to TensorFlow, read from what it writes to its log.

With TF_TRT_SHOW_DETAILED_REPORT=1 (tensorflow/compiler/tf2tensorrt/segment/segment.cc) it lists, for each type of
operation, how many it left out, and how many of them for which reason.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

_BEGIN, _END = "TensorRT unsupported/non-converted OP Report:", "- Total nonconverted OPs:"
_OPERATION = re.compile(r"\s*- (\w+) -> (\d+)x")
_REASON = re.compile(r"\s*- \[Count: (\d+)x\] (.*)")


def read(lines: Iterable[str]) -> list[dict[str, Any]]:
    """`[{"operation": "Cast", "count": 6, "reasons": {"…": 3, …}}, …]`, as in the log; empty if there is no report.

    A graph that is converted in several passes has several reports: they are added up.
    """
    found: dict[str, dict[str, Any]] = {}
    current: dict[str, Any] = {"count": 0, "reasons": {}}  # nobody's
    for line in _inside(lines):
        if operation := _OPERATION.fullmatch(line):
            current = found.setdefault(operation[1], {"operation": operation[1], "count": 0, "reasons": {}})
            current["count"] += int(operation[2])
        elif reason := _REASON.fullmatch(line):
            current["reasons"][reason[2]] = current["reasons"].get(reason[2], 0) + int(reason[1])
    return list(found.values())


def _inside(lines: Iterable[str]) -> Iterator[str]:
    """The lines of the reports."""
    inside = False
    for line in lines:
        if _BEGIN in line:
            inside = True
        elif _END in line:
            inside = False
        elif inside:
            yield line
