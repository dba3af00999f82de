"""Build the Dockerfile's images and check them as they run:

    python -m deploy.images [--engine buildah|docker] [--built] [cpu] [gpu]      (`make image-check`)

Buildah needs root, and without a registry of images debootstrap. Exit code 1, with one sentence on stderr, if an image
should not be published.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from deploy.images.buildah import Buildah
from deploy.images.check import check
from deploy.images.docker import Docker
from deploy.images.engine import ROOT, Engine, NotFit

TARGETS = ("cpu", "gpu")


def main(argv: Sequence[str]) -> int:
    """Build and check what is asked for."""
    args = parser().parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="images-") as work:
        try:
            engine = Buildah.open(args.store, Path(work)) if args.engine == "buildah" else Docker()
            check_all(engine, args.targets or TARGETS, built=args.built)
        except NotFit as error:
            sys.stderr.write(f"images: {error}\n")
            return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    made = argparse.ArgumentParser(prog="python -m deploy.images", description="Build the images and check them.")
    made.add_argument("targets", nargs="*", choices=TARGETS, metavar="TARGET", help="cpu, gpu; default: both")
    made.add_argument("--engine", choices=("buildah", "docker"), default="buildah")
    made.add_argument("--built", action="store_true", help="check what an earlier run has built")
    made.add_argument("--store", type=Path, default=ROOT / ".images", help="where buildah keeps images (.images)")
    return made


def check_all(engine: Engine, targets: Sequence[str], *, built: bool) -> None:
    """Each target after the other; what is found is told as it is found."""
    told: list[str] = []
    for target in targets:
        if not built:
            begun = time.monotonic()
            engine.build(target)
            told.append(f"{target}: built in {time.monotonic() - begun:.0f} s")
        for fact in check(engine, target):
            say(told, f"{target}: {fact}")
    sys.stdout.write("\n".join([*engine.describe(), *told]) + "\n")


def say(told: list[str], line: str) -> None:
    """Now, for whoever waits, and in the result."""
    told.append(line)
    with suppress(BrokenPipeError):
        sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
