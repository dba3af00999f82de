"""`python -m converter MODEL`: the report on standard output, progress on standard error, the exit code tells.

`python -m converter evaluate MODEL COPY …`: how right they are, likewise.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from converter import bar, command
from converter.contract import ConverterError
from converter.disk.trees import size_bytes
from converter.machine import child, memory
from converter.machine.confine import SPARE_BYTES, confine

EVALUATE = "evaluate"  # the first word; a folder of this name is ./evaluate
_CANCELLED = 130
# Of a conversion beside a server, and inherited by its children: a quarter of a core of which a worker wants all
# (man 7 sched). At 19 it would get a seventieth, and hardly ever end beside a busy server.
_NICE = 5
# Most bytes that a file of a copy may have for each byte of its source: engines hold weights once for each batch size.
_COPY_PER_SOURCE = 16


class _Ended(BaseException):
    """SIGTERM came."""


def main(argv: Sequence[str] | None = None) -> int:
    """Convert or evaluate; 0, or the exit code of the ConverterError whose sentence is on standard error."""
    words = sys.argv[1:] if argv is None else argv
    signal.signal(signal.SIGTERM, _end)
    return _evaluate(words[1:]) if words[:1] == [EVALUATE] else _convert(command.parser().parse_args(words))


def _convert(args: argparse.Namespace) -> int:
    if args.ends_with_stdin:
        child.end_with_stdin()  # a pipe from the server that started this: it closes when the server is gone
        confine(largest_file=_COPY_PER_SOURCE * size_bytes(args.model) + SPARE_BYTES)
    memory.go_first()  # a machine that runs out of memory loses a conversion, not what serves
    if args.background:
        os.nice(_NICE)
    try:
        with bar.progress(sys.stderr) as progress:
            from converter import convert  # imports numpy and more: not before the options are known to be good

            report = convert(
                args.model,
                command.order(args),
                folder=args.output,
                progress=progress,
                limits=command.limits(args),
            )
    except ConverterError as error:
        print(f"convert: {error}", file=sys.stderr)
        return error.exit_code
    except (KeyboardInterrupt, _Ended):
        print("convert: cancelled, no copy was made", file=sys.stderr)
        return _CANCELLED
    print(report.to_json())
    return 0


def _evaluate(argv: Sequence[str]) -> int:
    from converter.evaluation import command as evaluation

    try:
        print(evaluation.run(argv))
    except ConverterError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return error.exit_code
    except (KeyboardInterrupt, _Ended):
        print("evaluate: cancelled", file=sys.stderr)
        return _CANCELLED
    return 0


def _end(_: int, __: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: what it left is being removed
    raise _Ended


if __name__ == "__main__":
    sys.exit(main())
