"""Progress: lines for programs and for people, and the seconds of each step."""

import io
import json

import pytest

from converter.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_program_reads_one_json_line_when_a_step_begins_and_one_when_it_ends() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    with progress.step("convert"):
        during = stream.getvalue()
    assert [json.loads(line) for line in during.splitlines()] == [{"step": "convert", "state": "started"}]
    last = json.loads(stream.getvalue().splitlines()[-1])
    assert last == {"step": "convert", "state": "done", "seconds": progress.seconds["convert"]}


def test_a_person_reads_plain_lines() -> None:
    terminal = Terminal()
    with Progress(terminal).step("build"):
        pass
    assert terminal.getvalue() == "build …\nbuild: 0.0 s\n"


def test_the_seconds_of_each_step_are_kept_in_order() -> None:
    progress = Progress(io.StringIO())
    for name in ("load", "convert", "save"):
        with progress.step(name):
            pass
    assert list(progress.seconds) == ["load", "convert", "save"]
    assert all(seconds >= 0 for seconds in progress.seconds.values())


def test_a_step_that_raises_has_no_end() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    with pytest.raises(ZeroDivisionError), progress.step("convert"):
        _ = 1 / 0
    assert progress.seconds == {}
    assert len(stream.getvalue().splitlines()) == 1


def test_it_writes_to_standard_error_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress().step("check"):
        pass
    written = capsys.readouterr()
    assert written.out == ""
    assert json.loads(written.err.splitlines()[0])["step"] == "check"
