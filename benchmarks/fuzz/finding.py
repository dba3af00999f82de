"""What a part of the fuzzing found: how many cases it sent, and each kind of fault once, with bytes that show it."""

import base64
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

_PRINTED = 1500  # bytes that fit on a command line


@dataclass
class Found:
    """The cases of one part; `until` is the moment (of time.monotonic) after which it sends no more."""

    part: str
    until: float
    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    faults: dict[str, tuple[str, bytes]] = field(default_factory=dict)  # by kind: the sentence, what was sent

    @property
    def over(self) -> bool:
        """Whether its time is up."""
        return time.monotonic() > self.until

    def note(self, message: str, sent: bytes) -> None:
        """Keep a fault unless there is one of its kind: the same words but for numbers and quoted bytes."""
        kind = re.sub(r"\d+|b?(['\"]).*\1", "…", message)[:150]
        if kind not in self.faults or len(sent) < len(self.faults[kind][1]):
            self.faults[kind] = (message, sent)

    def told(self, folder: Path) -> str:
        """Its faults, each with a command that sends the bytes again; long ones are put into a file."""
        lines = []
        for number, (message, sent) in enumerate(self.faults.values(), 1):
            if not sent:
                lines.append(f"{self.part}: {message}")
                continue
            what = base64.b64encode(sent).decode()
            if len(sent) > _PRINTED:
                folder.mkdir(exist_ok=True)
                (path := folder / f"{self.part.split()[0]}-{number}.http").write_bytes(sent)
                what = str(path)
            lines.append(f"{self.part}: {message}\n  python -m benchmarks.fuzz --again {what}")
        return "\n".join(lines)
