"""`python -m converter MODEL`: the report on standard output, progress on standard error, the exit code tells."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from converter import child, targets
from converter.contract import PRECISIONS, ConverterError, Options


def main(argv: Sequence[str] | None = None) -> int:
    """Convert; 0, or the exit code of the ConverterError whose sentence is on standard error."""
    args = _parser().parse_args(argv)
    if args.ends_with_stdin:
        child.end_with_stdin()  # a pipe from the server that started this: it closes when the server is gone
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    try:
        options = Options(
            target=args.target,
            precision=args.precision.upper(),
            batch_sizes=args.batch_sizes,
            minimum_segment_size=args.minimum_segment_size,
            workspace_bytes=args.workspace_mib << 20,
        )
        from converter import convert  # imports TensorFlow: not before the options are known to be good

        report = convert(args.model, options=options, folder=args.output)
    except ConverterError as error:
        print(f"convert: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("convert: interrupted, no copy was made", file=sys.stderr)
        return 130
    print(report.to_json())
    return 0


def _parser() -> argparse.ArgumentParser:
    defaults = Options()
    parser = argparse.ArgumentParser(
        prog="python -m converter",
        description="Make a copy of a TensorFlow detector, checked and complete, in a folder beside it.",
        epilog="Exit codes: 0 made; 2 bad options; 3 unusable model; 4 can't be made on this machine; "
        "5 the conversion failed; 6 the copy was made and refused.",
    )
    parser.add_argument("model", type=Path, help="the SavedModel's folder")
    parser.add_argument("--target", choices=tuple(targets.KINDS), default=defaults.target)
    parser.add_argument("--output", type=Path, help="where the copy goes (default: MODEL_TARGET, beside the model)")
    parser.add_argument("--precision", choices=PRECISIONS, type=str.upper, default=defaults.precision)
    parser.add_argument(
        "--batch-sizes",
        type=_sizes,
        default=defaults.batch_sizes,
        metavar="1,8",
        help="batch sizes that will be served",
    )
    parser.add_argument(
        "--minimum-segment-size",
        type=int,
        default=defaults.minimum_segment_size,
        metavar="N",
        help="fewest operations that become an engine",
    )
    parser.add_argument(
        "--workspace-mib",
        type=int,
        default=defaults.workspace_bytes >> 20,
        metavar="MIB",
        help="most scratch memory TensorRT may use on the GPU",
    )
    parser.add_argument(child.ENDS_WITH_STDIN, action="store_true", help=argparse.SUPPRESS)
    return parser


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers like 1,8") from None


if __name__ == "__main__":
    sys.exit(main())
