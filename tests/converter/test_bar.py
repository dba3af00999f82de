"""Progress on a terminal is a bar with the step in words; elsewhere it is JSON lines."""

import io
import json
import os
import pty
import re
import termios
from collections.abc import Iterator

import pytest

from converter import bar
from converter.progress import Event


class Terminal:
    """A real pseudo-terminal: `stream` is what a program writes to, `text()` what has come to the screen."""

    def __init__(self, columns: int) -> None:
        self._screen, program = pty.openpty()
        termios.tcsetwinsize(program, (24, columns))
        self.stream = os.fdopen(program, "w")

    def text(self) -> str:
        """Everything written so far, without the codes that move the cursor."""
        self.stream.flush()
        os.write(self.stream.fileno(), b"\0")  # written last: there is nothing left to read before it
        read = b""
        while not read.endswith(b"\0"):
            read += os.read(self._screen, 1 << 16)
        return re.sub(r"\x1b\[[0-9;]*[A-Za-z]|\0", "", read.decode())

    def close(self) -> None:
        self.stream.close()
        os.close(self._screen)


@pytest.fixture(params=[100, 0], ids=["wide", "of unknown size"])
def terminal(request: pytest.FixtureRequest) -> Iterator[Terminal]:
    opened = Terminal(request.param)
    yield opened
    opened.close()


def test_a_person_sees_the_step_in_words_and_how_many_there_are(terminal: Terminal) -> None:
    with bar.progress(terminal.stream) as progress:
        progress.plan(["check", "convert", "build"])
        with progress.step("check"):
            assert "0/3 looking at this machine" in terminal.text()
        assert "looking at this machine: 0.0 s" in terminal.text()
        with progress.step("build"):
            assert "2/3 building engines" in terminal.text()
        assert "3/3 building engines" in terminal.text()


def test_a_person_sees_the_parts_of_a_long_step(terminal: Terminal) -> None:
    with bar.progress(terminal.stream) as progress:
        progress.plan(["build"])
        with progress.step("build"):
            progress.part(1, 3)
            assert "building engines 1 of 3" in terminal.text()


def test_lines_of_a_child_stand_above_the_bar(terminal: Terminal) -> None:
    with bar.progress(terminal.stream) as progress:
        progress.plan(["convert"])
        progress.relay(Event(step="convert", state="started").to_json())
        progress.relay("W tensorflow/core")
        assert "W tensorflow/core\r\n" in terminal.text()
    assert "{" not in terminal.text()


def test_a_step_that_is_not_in_the_plan_is_shown_too(terminal: Terminal) -> None:
    with bar.progress(terminal.stream) as progress, progress.step("wait"):
        assert "waiting for another conversion to the same place" in terminal.text()


def test_it_is_gone_at_the_end_whatever_happens(terminal: Terminal) -> None:
    with pytest.raises(ZeroDivisionError), bar.progress(terminal.stream) as progress, progress.step("build"):
        _ = 1 / 0
    assert terminal.text().rpartition("\r")[2].strip() == ""


def test_elsewhere_it_is_lines_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    with bar.progress(io.StringIO()) as progress, progress.step("build"):
        pass
    assert [json.loads(line)["state"] for line in capsys.readouterr().err.splitlines()] == ["started", "done"]
