import logging
import re
import subprocess
import sys

import pytest

from app.logs import LineFormatter


def line(message: str, *args: object, error: BaseException | None = None) -> str:
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("app.lanes.slot", logging.WARNING, "slot.py", 1, message, args, info)
    record.created = 1_800_000_000.1234
    return LineFormatter().format(record)


def test_a_line_has_time_level_logger_and_text() -> None:
    assert line("backend ready backend=%s", "native") == (
        "2027-01-15T08:00:00.123Z warning app.lanes.slot backend ready backend=native"
    )


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("a\nb", r"a\x0ab"),
        ("a\r\nb", r"a\x0d\x0ab"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("nul\0", r"nul\x00"),
        ("\x9b31m", r"\x9b31m"),
        ("tab\tdel\x7f", r"tab\x09del\x7f"),
        ("next\x85line", r"next\x85line"),
        ("\u2028\u2029", r"\x2028\x2029"),
        ("Straße 路面", "Straße 路面"),
    ],
)
def test_nothing_that_a_client_sends_can_forge_a_line(hostile: str, shown: str) -> None:
    assert line("request id=%s", hostile).endswith(f" request id={shown}")
    assert line(hostile.replace("%", "")).endswith(f" {shown}")


def test_a_traceback_stays_on_the_line() -> None:
    try:
        raise ValueError("first\nsecond\x1b[0m")
    except ValueError as error:
        text = line("request failed", error=error)
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text
    assert re.search(r" request failed traceback='Traceback .*ValueError: first\\nsecond", text)


SCRIPT = """
import logging
from app import logs
logs.set_up("{level}")
logging.getLogger("app.lanes.slot").info("swapped")
logging.getLogger("uvicorn.error").info("Started server process")
logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
logging.getLogger("PIL.TiffImagePlugin").debug("tag: Artist (315) - value: a stranger's words")
"""


@pytest.mark.parametrize(
    ("level", "texts"),
    [
        ("debug", ["swapped", "Invalid HTTP request received."]),
        ("info", ["swapped", "Invalid HTTP request received."]),
        ("error", []),
    ],
)
def test_set_up_writes_to_standard_error_from_the_level_up(level: str, texts: list[str]) -> None:
    """In a process of its own: it changes the root logger. What is in pictures is never logged, at any level."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(level=level)], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert [text.split(maxsplit=3)[3] for text in lines] == texts
    assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z (info|warning) \S+ ", text) for text in lines)
