"""What has been measured: a line of JSON for each point, written as soon as it is known."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Point = dict[str, Any]  # `key`, what was measured; and the figures


@dataclass
class Points:
    """The points in a file; one that is there is not measured again."""

    file: Path
    _known: dict[str, Point] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        for point in read(self.file):
            self._known[_text(point["key"])] = point

    def has(self, key: Mapping[str, Any]) -> bool:
        """Whether it has been measured."""
        return _text(key) in self._known

    def add(self, key: Mapping[str, Any], figures: Mapping[str, Any]) -> None:
        """Write a point."""
        point = {"key": dict(key), **figures}
        self._known[_text(key)] = point
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(point) + "\n")
        print(json.dumps(point), flush=True)


def read(file: Path) -> Iterator[Point]:
    """All points of a file, the last one of each key; a line that was cut off is passed over."""
    found: dict[str, Point] = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            point = json.loads(line)
        except ValueError:
            continue
        found[_text(point["key"])] = point
    yield from found.values()


def _text(key: Mapping[str, Any]) -> str:
    return json.dumps(key, sort_keys=True)
