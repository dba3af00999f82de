"""`python -m converter evaluate`: its options, and what was found as a table or as JSON."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from converter import bar
from converter.command import add_declared
from converter.contract import LONGEST_S
from converter.description import Declared
from converter.evaluation import WAYS
from converter.machine.child import Limits

if TYPE_CHECKING:
    from converter.evaluation.evaluate import Evaluation, Row

_HEAD = ("", "mAP", "50", "75", "small", "medium", "large", "mAP less native's, 95 % interval")


def parser() -> argparse.ArgumentParser:
    """What `evaluate` is asked."""
    parser = argparse.ArgumentParser(
        prog="python -m converter evaluate",
        description="How right a model and its copies are: COCO's mean average precision on pictures whose objects are "
        "known, and the difference of each copy with its interval.",
        epilog="Exit codes: 0 done; 2 bad options; 3 unusable model; 4 pycocotools is missing; 5 it failed; 6 a copy "
        "does not run; 130 cancelled.",
    )
    parser.add_argument("model", type=Path, help="the SavedModel's folder")
    parser.add_argument("copies", type=Path, nargs="*", metavar="COPY", help="folders of copies of it")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="the JPEG files")
    parser.add_argument(
        "--annotations", type=Path, required=True, metavar="FILE", help="the objects in them, in COCO's format"
    )
    parser.add_argument("--partial", action="store_true", help="leave out pictures whose files are not there")
    parser.add_argument(
        "--classes",
        choices=WAYS,
        help="which category a class of the model is: the one with its id, or the one at its place, counted from 0 or "
        "from 1 (default: found out by what the model finds)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")
    parser.add_argument(
        "--time-limit-seconds", type=float, default=LONGEST_S, metavar="S", help="maximum seconds for the evaluation"
    )
    add_declared(parser.add_argument_group("what the model does not say of itself"))
    return parser


def run(argv: Sequence[str]) -> str:
    """What is to be printed; ConverterError."""
    args = parser().parse_args(argv)
    from converter.evaluation.evaluate import Question, evaluate  # numpy and more

    declared = Declared(**{name: getattr(args, name) for name in Declared.__dataclass_fields__})
    question = Question(
        model=args.model,
        copies=tuple(args.copies),
        images=args.images,
        annotations=args.annotations,
        partial=args.partial,
        classes=args.classes,
        declared=declared,
    )
    with bar.progress(sys.stderr) as progress:
        found = evaluate(question, progress=progress, limits=Limits.within(args.time_limit_seconds))
    return json.dumps(found.to_json(), indent=2) if args.json else "\n".join(_lines(found))


def _lines(found: "Evaluation") -> Iterator[str]:
    left_out = f" ({found.absent} are not there)" if found.absent else ""
    yield f"{found.pictures} pictures{left_out}, {found.objects} objects; classes are categories by {found.classes}:"
    yield f"{found.evidence}."
    rows = [_HEAD, *map(_cells, found.rows)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    yield from ("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows)
    yield from (f"{each.name} failed on {name}: {why}" for each in found.rows for name, why in each.failed.items())


def _cells(row: "Row") -> tuple[str, ...]:
    scores = ["–" if value is None else f"{value:.4f}" for value in row.precisions.values()]
    apart = row.difference
    if apart is None:
        return row.name, *scores, ""
    interval = "too few pictures" if apart.low is None else f"{apart.low:+.4f} to {apart.high:+.4f}"
    return row.name, *scores, f"{apart.value:+.4f} ({interval})"
