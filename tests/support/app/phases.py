"""What a slot did, by its lines in the log."""

import logging
from collections.abc import Iterator
from itertools import groupby

import pytest


class Phases:
    """The phases that slots went through since this was made, as they told them in the log."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "app.lanes.replica")
        self._caplog = caplog

    def of(self, name: str) -> list[str]:
        """The phases of one slot; where the reason alone changed there is one."""
        return [phase for phase, _ in groupby(phase for phase, _ in self._told(name))]

    def reasons(self, name: str) -> list[str]:
        """The reason of each line."""
        return [reason for _, reason in self._told(name)]

    def _told(self, name: str) -> Iterator[tuple[str, str]]:
        for record in self._caplog.records:
            if record.msg.startswith("backend phase") and isinstance(record.args, tuple) and record.args[0] == name:
                yield str(record.args[1]), str(record.args[2])
