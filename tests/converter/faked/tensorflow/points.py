"""Where the fake TensorFlow does what it is told to.

`at` names the point, "devices" by default, and with the program if only one is meant: "making build", "run frozen".
There it ends by a signal (`ends_by`), with a code (`ends_with`), raises (`raises`), hangs (`hangs`), takes memory
(`takes_mib`), or waits, once, until somebody has opened a pipe and closed it (`waits_for`).
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

SAYS: dict[str, Any] = json.loads(os.environ["FAKE_TENSORFLOW"])


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
    taken = b"x" * (SAYS.get("takes_mib", 0) << 20)
    if SAYS.get("hangs") or taken:
        threading.Event().wait()
    if "waits_for" in SAYS:
        Path(SAYS.pop("waits_for")).read_bytes()
