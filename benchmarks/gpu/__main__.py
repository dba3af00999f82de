"""Native and its copies on a GPU, over HTTP and called directly: `make bench-gpu`.

    python -m benchmarks.gpu retina/native retina/trt retina/onnx --connections 128 --seconds 30
    python -m benchmarks.gpu --list
    python -m benchmarks.gpu render

A part is one model and one backend, and takes at most `--minutes`. The models `retina` and `bundled` are made here; for
`own/…` copy the folder of a SavedModel to WORK/own/1. Each point is written to `--points` as soon as it is known; the
same command again goes on with those that are missing. Models and copies are kept in `--work`, and what CUDA compiles
in CUDA_CACHE_PATH. `render` puts the table and the plot into benchmarks/gpu.md. Needs wrk (see
`http.py`). What ends one part does not end the others; the exit code is then 1, and 3 if the time was over.
"""

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from subprocess import SubprocessError

from httpx import HTTPError

from benchmarks.copy_rates import PHOTO
from benchmarks.gpu import parts, run, table
from benchmarks.gpu.points import Points
from benchmarks.gpu.run import How, OutOfTime
from converter.contract import PRECISIONS
from converter.model import sampling

PAGE = Path(__file__).parent.parent / "gpu.md"


def main() -> int:
    """Run the parts that are named."""
    args, every = parse(), parts.every()
    if args.list:
        print("\n".join(every))
        return 0
    if args.parts == ["render"]:
        table.render(args.points, args.page)
        return 0
    if unknown := [name for name in args.parts if name not in every]:
        print(f"bench-gpu: no part is called {', '.join(unknown)}; --list tells which there are", file=sys.stderr)
        return 2
    return max([one(every[name], name, args) for name in args.parts], default=0)


def one(part: parts.Part, name: str, args: argparse.Namespace) -> int:
    """Run a part; its exit code."""
    began = time.monotonic()
    print(f"## {name}", flush=True)
    try:
        run.run(part, how(args))
    except OutOfTime:
        print(f"{name}: {args.minutes:g} minutes are over; the same command goes on", file=sys.stderr)
        return 3
    except (RuntimeError, LookupError, OSError, AssertionError, SubprocessError, HTTPError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    finally:
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    return 0


def how(args: argparse.Namespace) -> How:
    """The command line, for one part."""
    return How(
        work=args.work,
        points=Points(args.points),
        connections=points(args.connections, args.seconds),
        layouts=tuple(each for each in args.layouts.split(",") if each),
        raw_seconds=args.raw_seconds,
        orders_seconds=args.orders_seconds,
        settings=settings(args.set),
        precision=args.precision,
        run=args.run,
        photo=args.photo,
        images=args.images or sampling.PHOTOS,
        compared=args.images,
        end=time.monotonic() + 60 * args.minutes,
    )


def points(given: str, seconds: float) -> Mapping[int, float]:
    """CONNECTIONS or CONNECTIONS:SECONDS, separated by commas; the seconds of each."""
    pairs = (each.partition(":") for each in given.split(",") if each)
    return {int(connections): float(own or seconds) for connections, _, own in pairs}


def settings(given: list[str]) -> Mapping[str, str]:
    """NAME=VALUE, as variables; DETECTOR_ may be left out."""
    pairs = (each.partition("=") for each in given)
    return {name if name.startswith("DETECTOR_") else f"DETECTOR_{name}": value for name, _, value in pairs}


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--list", action="store_true", help="the names of all parts")
    parser.add_argument("--work", type=Path, default=Path("bench-gpu"), help="models and copies are kept here")
    parser.add_argument("--points", type=Path, default=Path("bench-gpu/points.jsonl"))
    parser.add_argument("--page", type=Path, default=PAGE, help="for render")
    parser.add_argument("--connections", default="1,8,32,64,128", help="8:20 for 20 seconds; empty: nothing over HTTP")
    parser.add_argument("--seconds", type=float, default=10, help="of each point over HTTP")
    parser.add_argument("--layouts", default="1x1,1x8,4x8,8x8", help="callers x batch of the raw call; empty: none")
    parser.add_argument("--raw-seconds", type=float, default=4, help="of each layout")
    parser.add_argument("--orders-seconds", type=float, default=60, help="of `orders` and `mixed`")
    parser.add_argument("--minutes", type=float, default=8, help="most for a part; what is under way then is finished")
    parser.add_argument("--precision", choices=PRECISIONS, default="FP16", help="of the copies")
    parser.add_argument(
        "--run", default="", help="what to call this run in the page, like its date; ratios are of one run"
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the server")
    parser.add_argument("--photo", type=Path, default=PHOTO)
    parser.add_argument(
        "--images", type=Path, help="a folder on which backends are compared, in place of crops made here"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
