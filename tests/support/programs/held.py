"""A process that stops for good before it gives a file or a folder this name, for tests that end it there."""

import os
import signal
import sys


def hold_before(name: str) -> None:
    """Stop before a rename to `name`, whatever its folder; signals are still handled."""

    def hold(event: str, arguments: tuple[object, ...]) -> None:
        while event == "os.rename" and os.path.basename(str(arguments[1])) == name:
            signal.pause()

    sys.addaudithook(hold)
