"""Progress: where each step stands in the plan, the lines that programs read, and the seconds of each step."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.contract import LONGEST_S
from converter.progress import DONE, RUNNING, STARTED, Event, Progress, in_words, parse


class Shown:
    """What a progress showed, and the lines it passed on."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.lines: list[str] = []
        self.progress = Progress(self.events.append, self.lines.append)


def test_a_step_is_told_when_it_begins_and_when_it_ends() -> None:
    shown = Shown()
    with shown.progress.step("convert"):
        assert shown.events == [Event(step="convert", state=STARTED)]
    assert shown.events[1:] == [Event(step="convert", state=DONE, seconds=shown.progress.seconds["convert"])]


def test_a_step_of_the_plan_has_its_number() -> None:
    shown = Shown()
    shown.progress.plan(["check", "convert", "save"])
    with shown.progress.step("check"), shown.progress.step("wait"):
        pass
    with shown.progress.step("save"):
        pass
    places = {event.step: (event.number, event.of) for event in shown.events}
    assert places == {"check": (1, 3), "wait": (None, None), "save": (3, 3)}


def test_a_part_belongs_to_the_step_that_runs() -> None:
    shown = Shown()
    shown.progress.plan(["convert", "build"])
    with shown.progress.step("build"):
        shown.progress.part(1, 3)
    assert shown.events[1] == Event(step="build", state=RUNNING, number=2, of=2, part=1, parts=3)


def test_the_steps_of_a_child_get_their_places_here_and_its_other_lines_are_passed_on() -> None:
    shown, child = Shown(), Shown()
    shown.progress.plan(["load", "build"])
    with child.progress.step("build"):
        child.progress.part(1, 2)
    for line in ["W tensorflow/core", *(event.to_json() for event in child.events), '{"step']:
        shown.progress.relay(line)
    assert shown.lines == ["W tensorflow/core", '{"step']
    assert [(event.state, event.number, event.of) for event in shown.events] == [
        (STARTED, 2, 2),
        (RUNNING, 2, 2),
        (DONE, 2, 2),
    ]
    assert shown.progress.seconds == child.progress.seconds


def test_the_seconds_of_each_step_are_kept_in_order() -> None:
    progress = Shown().progress
    for name in ("load", "convert", "save"):
        with progress.step(name):
            pass
    assert list(progress.seconds) == ["load", "convert", "save"]
    assert all(0 <= seconds < LONGEST_S for seconds in progress.seconds.values())


def test_a_step_that_raises_has_no_end() -> None:
    shown = Shown()
    with pytest.raises(ZeroDivisionError), shown.progress.step("convert"):
        _ = 1 / 0
    assert shown.progress.seconds == {}
    assert shown.progress.step_now == "convert"
    assert [event.state for event in shown.events] == [STARTED]


def test_by_itself_it_writes_lines_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    with progress.step("check"):
        progress.relay("a line of TensorFlow's")
    written = capsys.readouterr()
    assert written.out == ""
    first, second, third = written.err.splitlines()
    assert json.loads(first) == {"step": "check", "state": "started"}
    assert second == "a line of TensorFlow's"
    assert json.loads(third) == {"step": "check", "state": "done", "seconds": progress.seconds["check"]}


# Lines


EVENTS = st.builds(
    Event,
    step=st.text(),
    state=st.sampled_from([STARTED, RUNNING, DONE]),
    number=st.none() | st.integers(1, 9),
    of=st.none() | st.integers(1, 9),
    part=st.none() | st.integers(0, 9),
    parts=st.none() | st.integers(1, 9),
    seconds=st.none() | st.floats(0, 1e6),
)


@given(EVENTS)
def test_an_event_is_read_from_its_line(event: Event) -> None:
    line = event.to_json()
    assert "\n" not in line
    assert parse(line) == event


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "{}",
        "null",
        '{"step"',
        '{"step": "build"}',
        '{"step": "build", "state": "finished"}',
        '{"step": "build", "state": null}',
        '{"step": "build", "state": []}',
        '{"step": "build", "state": "done", "colour": "red"}',
        '{"step": "build", "state": "done"} and more',
        ' {"step": "build", "state": "done"}',
        '{"state": "done", "step": "build"}',
        '{"step": 7, "state": "done"}',
        '{"step": "build", "state": "running", "part": "one"}',
        '{"step": "build", "state": "done", "seconds": "long"}',
        '{"step": "build", "state": "done", "seconds": [1]}',
        '{"step": "build", "state": "started", "number": true, "of": {}}',
        '{"step"' + "[" * 100_000,
        '{"step": ' + "[" * 100_000,
    ],
)
def test_what_is_no_event_is_none(line: str) -> None:
    assert parse(line) is None


@given(st.text() | st.text().map(lambda text: '{"step"' + text))
def test_any_line_is_an_event_or_none(line: str) -> None:
    found: Any = parse(line)
    assert found is None or isinstance(found, Event)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("build", "building engines"),
        ("native", "measuring the model as it came"),
        ("", "starting"),
        ("another version's", "starting"),
    ],
)
def test_a_step_in_words(step: str, words: str) -> None:
    assert in_words(step) == words
