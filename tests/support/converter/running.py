"""Runs `python -m converter` as its users do, on a machine with a GPU whose TensorFlow is the fake one.

The command, its children, the files and the signals are real; a whole conversion takes seconds, and can be held or
crashed at any point (see faked/tensorflow/points.py).
"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.serving import children, clean_environ, descendants
from converter.progress import STARTED, parse
from tests.support.places import FAKED

H100 = {"device_name": "NVIDIA H100 80GB HBM3", "compute_capability": [9, 0]}
LONGEST_S = 60.0

Process = subprocess.Popen[str]
Done = subprocess.CompletedProcess[str]


def machine(**says: Any) -> dict[str, str]:
    """The variables of a process whose children find a TensorFlow with TensorRT and an H100, and which says this."""
    says = {"loaded": [8, 5, 3], "gpus": [H100], **says}
    fake = {"PYTHONPATH": f"{FAKED}:{Path.cwd()}", "FAKE_TENSORFLOW": json.dumps(says)}
    return clean_environ({**fake, "OPENBLAS_NUM_THREADS": "1"})


def fake_model(folder: Path) -> Path:
    """A model that the fake TensorFlow can load, at `folder`/1, and a picture for it at `folder`/pictures."""
    files = {
        "1/saved_model.pb": b"original",
        "1/variables/data": b"weights",
        "1/assets.extra/labels.txt": b"1 person\n",
        "pictures/grey.jpg": picture(64, 48),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder / "1"


def picture(width: int, height: int) -> bytes:
    stream = BytesIO()
    Image.new("RGB", (width, height), "grey").save(stream, "JPEG")
    return stream.getvalue()


def command(model: Path, *options: str | Path) -> list[str]:
    """To the copies' folder beside the model's, on the few pictures that lie there."""
    made = [sys.executable, "-m", "converter", model, "--output", model.parent / "copies" / "1_trt"]
    return [*map(str, made), f"--images={model.parent / 'pictures'}", *map(str, options)]


def convert(model: Path, *options: str | Path, **says: Any) -> Done:
    """The conversion from beginning to end."""
    return subprocess.run(
        command(model, *options),
        env=machine(**says),
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )


def sentence(done: Done) -> str:
    """The last line of standard error; the test fails if there is a stack trace, or anything on standard output."""
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr.splitlines()[-1]


@contextmanager
def converting(model: Path, *options: str | Path, **says: Any) -> Iterator[Process]:
    """The conversion at work; it is ended with the block."""
    with running(command(model, *options), machine(**says)) as process:
        yield process


@contextmanager
def running(command: list[str], environ: dict[str, str]) -> Iterator[Process]:
    """A command at work, as a shell or a server starts it."""
    with subprocess.Popen(
        command,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs this in the background has it ignore Ctrl-C, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        at_last = threading.Timer(LONGEST_S, process.kill)  # whoever reads from it reads to the end then
        at_last.start()
        try:
            yield process
        finally:
            at_last.cancel()
            process.kill()


def wait_for(process: Process, step: str) -> None:
    """Read its standard error until it begins `step`."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        event = parse(line)
        if event and (event.step, event.state) == (step, STARTED):
            return
    raise AssertionError(f"it ended before {step}: {''.join(said)}")


def worker(process: Process) -> int:
    """The process that it started, as soon as there is one."""
    pids: list[int] = poll(lambda: children(process.pid))
    return pids[0]


@contextmanager
def all_gone(process: Process) -> Iterator[None]:
    """After the block none of the processes that `process` has now is left."""
    poll(lambda: children(process.pid))
    handles = [os.pidfd_open(pid) for pid in descendants(process.pid)]
    yield
    assert ended(*handles), "a process is left behind"


def ended(*handles: int) -> bool:
    """Whether the processes of these handles have ended, or do within a minute; there is one at least."""
    readable = [handle for handle in handles if select.select([handle], [], [], LONGEST_S)[0]]
    for handle in handles:
        os.close(handle)
    return bool(handles) and readable == list(handles)


def held(pipe: Path, at: str) -> dict[str, str]:
    """What a fake TensorFlow is told that waits at a point for `let_go`."""
    os.mkfifo(pipe)
    return {"at": at, "waits_for": str(pipe)}


def let_go(says: dict[str, str], meanwhile: Callable[[], object] = lambda: None) -> None:
    """Once it waits do something, and then let it go on."""
    handle = poll(lambda: _opened(says["waits_for"]))
    meanwhile()
    os.close(handle)


def _opened(pipe: str) -> int | None:
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None  # nobody reads yet


def poll(ask: Callable[[], Any]) -> Any:
    """What `ask` answers, once it answers something."""
    end = time.monotonic() + LONGEST_S
    while not (answer := ask()):
        assert time.monotonic() < end, "it did not happen"
    return answer


def names(folder: Path) -> list[str]:
    """What lies in a folder, but for what is hidden: the lock that a place keeps, and known hashes."""
    return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
