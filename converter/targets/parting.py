"""At which operation do a copy's values part from its source's? `python -m converter.targets.parting SOURCE OPTIONS`.

Asked only where their answers differ. The last line of standard output is `{"parts": …}`: a sentence, or null.
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from converter import stored, targets
from converter.contract import Options
from converter.machine import child, memory
from converter.machine.error_text import first_line


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of looking for that operation."""

    looked: bool  # False: the kind can't tell, or looking failed
    found: str | None = None  # half a sentence; None if none differs


def first(source: Path, options: Options, *, limits: child.Limits) -> Answer:
    """Have the operations compared by a child; one that is ended for its time or memory has not looked."""
    if targets.kind(options.target).first_parting is None:
        return Answer(looked=False)
    arguments = ("converter.targets.parting", str(source), stored.to_json(options))
    environ = {"TF_CPP_MIN_LOG_LEVEL": "1", **os.environ}
    try:
        ended = child.run(*arguments, limits=limits, environ=environ)
    except child.OverLimit:
        return Answer(looked=False)
    answers = [line for line in ended.stdout.splitlines() if line.startswith('{"parts"')]
    return Answer(looked=True, found=json.loads(answers[-1])["parts"]) if answers else Answer(looked=False)


def _main(source: str, options: str) -> None:
    wanted = stored.from_json(Options, options, "the options")
    look = targets.kind(wanted.target).first_parting
    try:
        print(json.dumps({"parts": look and look(Path(source), wanted)}))
    # Whatever a library raises here, the copy has been made: what it answers decides.
    except Exception as error:
        print(first_line(error), file=sys.stderr)


if __name__ == "__main__":
    child.begin()
    memory.go_first()
    memory.give_back_early()
    _main(*sys.argv[1:3])
