"""Every log line that the server can write, read from its sources."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.places import ROOT

METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


@dataclass(frozen=True)
class LogCall:
    where: str
    method: str
    text: str
    values: int

    @property
    def fixed(self) -> str:
        """The text before the values."""
        return re.split(r" \w+=", self.text)[0]


def log_calls() -> Iterator[LogCall]:
    for path in sorted((ROOT / "app").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
                logger, method = ast.unparse(node.func.value), node.func.attr
                if logger.endswith("log") or logger.startswith("logging.getLogger("):
                    text, *values = node.args[1:] if method == "log" else node.args
                    yield LogCall(f"{path.name}:{node.lineno}", method, ast.literal_eval(text), len(values))
