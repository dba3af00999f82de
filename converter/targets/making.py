"""Makes a copy's files in this process: `python -m converter.targets.making SOURCE INTO OPTIONS`.

It is a process of its own because TensorRT's builder may end it, because TensorFlow never gives GPU memory back, and
because a frozen copy is made without the GPU. Progress goes to standard error; the last line of standard output is
`{"facts": …}`, or `{"error": …, "message": …}` with the code of a ConverterError.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from converter import room, stored, targets
from converter.contract import ConversionFailed, ConverterError, Options, UnusableModel
from converter.machine import child, memory
from converter.progress import Progress, in_words, parse
from converter.tftrt.nonconverted import read

_ERRORS = {error.code: error for error in (ConversionFailed, UnusableModel)}


def make(source: Path, into: Path, options: Options, *, progress: Progress, limits: child.Limits) -> dict[str, Any]:
    """Have the copy made by a child; its facts, with the operations that TF-TRT left out and why.

    Where `limits` has none for memory, it is what can be spared here. ConversionFailed if the child crashed or was
    ended, UnusableModel if the model can't be converted, TargetUnavailable if there is no memory for it.
    """
    if limits.memory_bytes is None:
        limits = room.checked(targets.kind(options.target), source, limits)
    lines: list[str] = []
    step = ""  # none of its own yet

    def on_line(line: str) -> None:
        nonlocal step
        lines.append(line)
        progress.relay(line)
        if event := parse(line):
            step = event.step

    arguments = (str(source), str(into), stored.to_json(options))
    try:
        ended = child.run("converter.targets.making", *arguments, limits=limits, environ=_environ(), on_line=on_line)
    except child.OverLimit as error:
        raise ConversionFailed(f"the converter {error} while {in_words(step)}, and was ended") from error
    answer = _answer(ended.stdout)
    if "facts" in answer:
        return {**answer["facts"], "operations_left": read(lines)}
    if "error" in answer:
        raise _ERRORS.get(answer["error"], ConversionFailed)(answer["message"])
    raise ConversionFailed(_crash(ended, in_words(step)))


def _crash(ended: child.Ended, doing: str) -> str:
    if ended.starved:
        return f"the converter ran out of memory while {doing}, and the system ended it"
    return f"the converter crashed while {doing} ({ended.signal_name or f'exit code {ended.returncode}'})"


def _environ() -> dict[str, str]:
    return {"TF_CPP_MIN_LOG_LEVEL": "1", **os.environ}


def _answer(stdout: str) -> dict[str, Any]:
    lines = [line for line in stdout.splitlines() if line.startswith(('{"facts"', '{"error"'))]
    return json.loads(lines[-1]) if lines else {}


def _main(source: str, into: str, options: str) -> None:
    wanted = stored.from_json(Options, options, "the options")
    try:
        facts = targets.kind(wanted.target).make(Path(source), Path(into), wanted, Progress())
    except ConverterError as error:
        print(json.dumps({"error": error.code, "message": str(error)}))
    except OSError as error:  # most often there is no space left
        message = f"writing the copy failed: {error.strerror or error}"
        print(json.dumps({"error": ConversionFailed.code, "message": message}))
    else:
        print(json.dumps({"facts": facts}))


if __name__ == "__main__":
    child.begin()
    memory.go_first()
    memory.give_back_early()
    _main(*sys.argv[1:4])
