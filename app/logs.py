"""Log lines, as text or as JSON: one line each, fixed text and values apart; nothing a client sends can forge one.

A call gives the fixed text and then `name=%s` for each value: `log.info("backend ready backend=%s", name)`. Values
whose names differ from line to line come by `extra={"fields": {…}}`.
"""

import itertools
import json
import logging
import math
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, Literal

from app.log_writer import LineWriter, WrittenByThread

REQUESTS, AUDIT = "app.requests", "app.audit"  # loggers: a line a request, and a line a change by an admin
Form = Literal["text", "json"]

MOST_TEXT, MOST_NESTED_TEXT, MOST_ITEMS, DEEPEST = 8_000, 200, 32, 3  # of a value; characters, items, levels
_ESCAPES = {code: f"\\x{code:02x}" for code in [*range(32), 127, *range(0x80, 0xA0), 0x2028, 0x2029]}
_CALL = re.compile(r"([^%=]*?)((?: \w+=%[^\s%]+)*)")
_WORD = re.compile(r"[\w./:{}+-]+", re.ASCII)


class LineFormatter(logging.Formatter):
    """`2026-11-25T09:00:00.123Z info app.lanes.slot backend ready backend=native seconds=3.2`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; control characters are escaped, and a traceback becomes its own escaped field."""
        line = f"{_time(record)} {record.levelname.lower()} {record.name} {_cut(record.getMessage(), MOST_TEXT)}"
        for name, value in _extra(record).items():
            line += f" {name}={value if _is_word(value) else repr(value)}"
        if record.exc_info:
            line += f" traceback={self.formatException(record.exc_info)[-MOST_TEXT:]!r}"
        return line.translate(_ESCAPES)


class JsonFormatter(logging.Formatter):
    """The same as an object: `{"time": …, "level": "info", "logger": …, "event": "backend ready", "backend": …}`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line that is valid JSON, whatever the values are; numbers and truth values stay what they are."""
        event, values = _called(record)
        told = {"time": _time(record), "level": record.levelname.lower(), "logger": record.name, "event": event}
        told = {**values, **_extra(record), **told}
        if record.exc_info:
            told["traceback"] = _plain(self.formatException(record.exc_info)[-MOST_TEXT:])
        first = ("time", "level", "logger", "event")
        ordered = {name: told[name] for name in (*first, *(name for name in told if name not in first))}
        return json.dumps(ordered, allow_nan=False).replace("\x7f", "\\u007f")


def set_up(level: str, *, form: Form = "text", requests: Form | Literal["off"] = "off") -> None:
    """Send this process's log to standard error, from `level` up; uvicorn's lines in the same form.

    The request log has a form of its own. The audit log is always written.
    """
    ours = logging.getLevelNamesMapping()[level.upper()]
    writer = LineWriter(sys.stderr)
    logging.basicConfig(level=max(ours, logging.WARNING), handlers=[_handler(writer, form)], force=True)
    logging.captureWarnings(True)
    sys.excepthook, threading.excepthook, sys.unraisablehook = _uncaught, _uncaught_in_thread, _uncaught_at_the_end
    logging.getLogger("app").setLevel(ours)
    logging.getLogger(AUDIT).setLevel(logging.INFO)
    requests_log = logging.getLogger(REQUESTS)
    requests_log.propagate, requests_log.disabled = False, requests == "off"
    if requests != "off":
        requests_log.setLevel(min(ours, logging.INFO))
        requests_log.handlers = [_handler(writer, requests)]
    logging.getLogger("PIL").disabled = True  # it tells what is in pictures
    for name in ("PIL.TiffImagePlugin", "PIL.PngImagePlugin"):
        logging.getLogger(name).disabled = True


def _handler(writer: LineWriter, form: Form) -> logging.Handler:
    return WrittenByThread(writer, LineFormatter() if form == "text" else JsonFormatter())


def _uncaught(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):  # somebody ended it, and knows
        logging.getLogger("app").critical("process failed", exc_info=(kind, error, where))


def _uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    logging.getLogger("app").error("thread failed", exc_info=failed.exc_value)


def _uncaught_at_the_end(failed: "sys.UnraisableHookArgs") -> None:
    """Of an object that goes, where Python has nobody to raise it to."""
    logging.getLogger("app").warning("exception ignored where=%r", str(failed.object), exc_info=failed.exc_value)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {name: _plain(value) for name, value in getattr(record, "fields", {}).items()}


def _called(record: logging.LogRecord) -> tuple[str, dict[str, Any]]:
    """The fixed text and the values by their names; of a line that is not of our form the whole text."""
    values = record.args if isinstance(record.args, tuple) else (record.args,)
    form = _parsed(record.msg) if isinstance(record.msg, str) and record.args else None
    if form is None or len(form[1]) != len(values):
        return _plain(record.getMessage()), {}
    return form[0], {name: _plain(value) for name, value in zip(form[1], values, strict=True)}


@lru_cache(maxsize=512)  # there are fewer lines in the program
def _parsed(text: str) -> tuple[str, tuple[str, ...]] | None:
    """The fixed text of a call and the names of its values, or None."""
    found = _CALL.fullmatch(text)
    return (found[1], tuple(re.findall(r" (\w+)=%", found[2]))) if found else None


def _plain(value: object, depth: int = 0) -> Any:
    """What JSON can say of a value, cut where it is long."""
    if isinstance(value, Mapping | list | tuple) and depth < DEEPEST:
        return _nested(value, depth + 1)
    if isinstance(value, int | float | None):
        return _number(value)
    most = MOST_NESTED_TEXT if depth else MOST_TEXT
    text = value[:most].decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return _cut(text, most).encode("utf-8", "backslashreplace").decode()


def _nested(value: Mapping[Any, Any] | Sequence[Any], depth: int) -> Any:
    if isinstance(value, Mapping):
        items = itertools.islice(value.items(), MOST_ITEMS)
        return {_plain(str(name), depth): _plain(each, depth) for name, each in items}
    return [_plain(each, depth) for each in value[:MOST_ITEMS]]


def _number(value: float | None) -> float | str | None:
    if isinstance(value, int) and value.bit_length() > 64:
        return _cut(hex(value), MOST_NESTED_TEXT)
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "…"


def _is_word(value: object) -> bool:
    return not isinstance(value, str) or bool(_WORD.fullmatch(value))
