"""Where the fake TensorFlow does what it is told to.

`at` names the point, "devices" by default, and with the program if only one is meant: "making build", "run frozen".
There it ends by a signal (`ends_by`), with a code (`ends_with`), raises (`raises`), fails as an operation does
(`fails`), hangs (`hangs`), takes memory (`takes_mib`), or waits, once, until somebody has opened a pipe and closed it
(`waits_for`).
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

SAYS: dict[str, Any] = json.loads(os.environ["FAKE_TENSORFLOW"])


class OpError(Exception):
    """What TensorFlow raises for what happens inside a graph."""


def reach(point: str) -> None:
    """The program has come to `point`."""
    if SAYS.get("at", "devices") not in (point, f"{Path(sys.argv[0]).stem} {point}"):
        return
    if "ends_by" in SAYS:
        os.kill(os.getpid(), signal.Signals[SAYS["ends_by"]])
    if "ends_with" in SAYS:
        sys.exit(SAYS["ends_with"])
    if "raises" in SAYS:
        raise RuntimeError(os.path.expandvars(SAYS["raises"]))
    if "fails" in SAYS:
        raise OpError(SAYS["fails"])
    taken = b"x" * (SAYS.get("takes_mib", 0) << 20)
    if SAYS.get("hangs") or taken:
        threading.Event().wait()
    if "waits_for" in SAYS:
        Path(SAYS.pop("waits_for")).read_bytes()
