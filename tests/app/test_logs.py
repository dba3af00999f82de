import json
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.logs import MOST_TEXT, JsonFormatter, LineFormatter
from tests.support.log_calls import LogCall, log_calls


def record(message: str, *args: object, error: BaseException | None = None, **fields: object) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("app.lanes.slot", logging.WARNING, "slot.py", 1, message, args, info)
    made.created, made.fields = 1_800_000_000.1234, fields
    return made


def line(message: str, *args: object, error: BaseException | None = None, **fields: object) -> str:
    return LineFormatter().format(record(message, *args, error=error, **fields))


def told(message: str, *args: object, error: BaseException | None = None, **fields: object) -> Any:
    text = JsonFormatter().format(record(message, *args, error=error, **fields))
    assert text.isascii()
    assert text.isprintable()
    return json.loads(text, parse_constant=pytest.fail)


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
    assert re.fullmatch(r".* request id='[^']* status=200'", line("request", id=f"{hostile} status=200"))
    assert told("request id=%s", hostile)["id"] == hostile
    assert told(hostile)["event"] == hostile


def test_a_traceback_stays_on_the_line() -> None:
    try:
        raise ValueError("first\nsecond\x1b[0m")
    except ValueError as error:
        text = line("request failed", error=error)
        as_json = told("request failed request_id=%s", "r-1", error=error)
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text
    assert re.search(r" request failed traceback='Traceback .*ValueError: first\\nsecond", text)
    assert as_json["traceback"].endswith("ValueError: first\nsecond\x1b[0m")


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("native", "native"),
        (7, 7),
        (0.5, 0.5),
        (True, True),
        (None, None),
        ((1, 8), [1, 8]),
        ({"a": {"b": ["c"]}}, {"a": {"b": ["c"]}}),
        (Path("a/b"), "a/b"),
        (b"a\xff\n", "a\\xff\n"),
        ("\ud800", "\\ud800"),
        ({"\udfff": "\ud800"}, {"\\udfff": "\\ud800"}),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ("x" * 10_000, "x" * MOST_TEXT + "…"),
        (16**100, "0x1" + 100 * "0"),
        pytest.param(1 << 80_000, "0x1" + 197 * "0" + "…", id="huge"),
        ([[[["deep"]]]], [[["['deep']"]]]),
        (["x" * 201] * 40, ["x" * 200 + "…"] * 32),
        ({str(key): 0 for key in range(40)}, {str(key): 0 for key in range(32)}),
    ],
)
def test_a_value_in_json_is_what_it_is_as_far_as_json_can_say(value: object, field: object) -> None:
    assert told("backend ready backend=%r", value) == {
        "time": "2027-01-15T08:00:00.123Z",
        "level": "warning",
        "logger": "app.lanes.slot",
        "event": "backend ready",
        "backend": field,
    }
    assert told("request", asked=value)["asked"] == field
    assert len(line("request", asked=value)) < 20_000


def test_a_line_of_another_form_is_told_whole() -> None:
    assert told("Started server process [%d]", 7)["event"] == "Started server process [7]"
    assert told("a%%b=%s", 1)["event"] == "a%b=1"


@pytest.mark.parametrize("call", list(log_calls()), ids=lambda call: call.where)
def test_every_call_in_the_server_gives_a_fixed_text_and_names_its_values(call: LogCall) -> None:
    names = [f"value-{number}" for number in range(call.values)]
    form = re.fullmatch(r"(\w[^%=]*\w)((?: [a-z_]+=%(?:[rsd]|\.\df))*)", call.text)
    assert form
    keys = re.findall(r" (\w+)=", form[2])
    assert len({*keys}) == call.values
    assert not {"time", "level", "logger", "event", "traceback"} & {*keys}
    assert (
        told(re.sub(r"%\.?\d?[rdf]", "%s", call.text), *names).items()
        >= {
            "event": form[1],
            **dict(zip(keys, names, strict=True)),
        }.items()
    )


SCRIPT = """
import logging, threading, warnings
from app import logs
logs.set_up("{level}", form="{form}", requests="{requests}")
logging.getLogger("app.lanes.slot").info("swapped")
logging.getLogger("uvicorn.error").info("Started server process")
logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
logging.getLogger("PIL.TiffImagePlugin").debug("tag: Artist (315) - value: a stranger's words")
logging.getLogger("app.requests").info("request")
logging.getLogger("app.audit").info("admin request")
warnings.warn("it is old")
failing = threading.Thread(target=lambda: 1 / 0)
failing.start()
failing.join()
type("Lost", (), {{"__del__": lambda self: 1 / 0}})()
raise SystemError("it ends")
"""
ALWAYS = ["admin request", "thread failed", "process failed"]
FROM_WARNING = [
    "Invalid HTTP request received.",
    "admin request",
    "<string>:11: UserWarning: it is old",
    "thread failed",
    "exception ignored",
    "process failed",
]


@pytest.mark.parametrize(
    ("level", "form", "requests", "texts"),
    [
        ("debug", "text", "off", ["swapped", *FROM_WARNING]),
        ("info", "json", "off", ["swapped", *FROM_WARNING]),
        ("error", "text", "json", ["request", *ALWAYS]),
        ("error", "json", "text", ["request", *ALWAYS]),
    ],
)
def test_set_up_writes_to_standard_error_from_the_level_up(
    level: str, form: str, requests: str, texts: list[str]
) -> None:
    """In a process of its own: it changes the root logger. What is in pictures is never logged, at any level."""
    script = SCRIPT.format(level=level, form=form, requests=requests)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    for text, wanted in zip(lines, texts, strict=True):
        if (requests if wanted == "request" else form) == "json":
            assert json.loads(text)["event"].strip() == wanted
        else:
            assert re.match(rf"\d{{4}}-\d\d-\d\dT[\d:.]+Z [a-z]+ \S+ {re.escape(wanted)}", text)


UNREAD = """
import logging, sys
from app import logs
logs.set_up("info")
for number in range(20_000):
    logging.getLogger("app").info("line number=%s", number)
print("all logged", flush=True)
sys.stdin.readline()
logging.getLogger("app").info("the last")
"""


def test_a_standard_error_that_nobody_reads_stops_nobody() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", UNREAD], stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "all logged\n"
        lines = [process.stderr.readline() for _ in range(5_000)]
        assert lines[4_999].endswith(" line number=4999\n")
        process.stdin.write("\n")
        process.stdin.close()
        rest = process.stderr.read()
    lost = [int(count) for count in re.findall(r"app.log_writer log lines lost count=(\d+)", rest)]
    assert lost
    written = [line for line in (*lines, *rest.splitlines()) if " line number=" in line]
    assert len(written) + sum(lost) == 20_000
