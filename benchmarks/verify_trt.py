"""Proves, on a machine with a GPU and TensorRT, what this project says of TF-TRT: `make verify-trt`.

    python -m benchmarks.verify_trt [MODEL] [--precision FP32,FP16,INT8] [--batch-sizes 1,8] [--work DIR] [--existing]

For each precision: the copy is made; it answers with TensorFlow's native segments forbidden; a batch size outside its
profiles is caught; a server loads its engines from their files and answers with them; the same folder without its
engine files is refused by every route. Prints a log in Markdown; the exit code is 1 if one check failed. Conversions
take minutes: `--work` keeps what was made, `--existing` checks what is there.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import converter
from app.settings import bundled_model
from benchmarks import latencies, trt_routes
from converter import targets
from converter.comparison import probe
from converter.contract import ConverterError, CopyRefused, Options, Order, Report
from converter.description import Input
from converter.disk import places
from converter.machine import environment
from converter.machine.child import Limits
from converter.model import prediction

PHOTOS = Path(__file__).parent.parent / "converter" / "photos"
MINUTES_S = 1800.0


@dataclass
class Checks:
    """What held and what did not."""

    failed: list[str] = field(default_factory=list)

    def hold(self, what: str, holds: bool, detail: str = "") -> None:
        """Say whether it holds."""
        say(f"- {'ok' if holds else 'FAILED'}: {what}{': ' + detail if detail else ''}")
        if not holds:
            self.failed.append(what)


def main() -> int:
    """Run everything; 0 if all of it held."""
    args = parse()
    found = environment.probe()
    say(f"TensorFlow {found.tensorflow} ({found.tensorflow_build}),")
    say(f"TensorRT {environment.dotted(found.tensorrt_loaded)},")
    say(f"{', '.join(found.gpus) or 'no GPU'}, driver {found.driver}; model {args.model}\n")
    available = targets.KINDS["trt"].availability(found)
    if not available.available:
        say(f"TF-TRT can't run here: {available.reason}")
        return 1
    checks = Checks()
    with tempfile.TemporaryDirectory() as temporary:
        work = args.work or Path(temporary)
        for precision in args.precision.split(","):
            verify(args, work / precision / args.model.name, precision, checks)
    say(f"\n{len(checks.failed)} checks failed" + "".join(f"\n- {what}" for what in checks.failed))
    return int(bool(checks.failed))


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?", default=bundled_model() / "1")
    parser.add_argument("--precision", default="FP32,FP16,INT8")
    parser.add_argument("--batch-sizes", default="1,8")
    parser.add_argument("--images", type=Path, default=PHOTOS, help="INT8 is calibrated on these")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--existing", action="store_true")
    parser.add_argument("--only-convert", action="store_true", help="make the copies and stop")
    return parser.parse_args()


def verify(args: argparse.Namespace, model: Path, precision: str, checks: Checks) -> None:
    """Everything about one precision."""
    say(f"\n## {precision}\n")
    sizes = tuple(int(size) for size in args.batch_sizes.split(","))
    trt = places.location(model, "trt")
    images = args.images if precision == "INT8" else None
    options = Options(target="trt", precision=precision, batch_sizes=sizes, images=images)
    if not args.existing:
        model.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(args.model, model, dirs_exist_ok=True)
        if not convert(model, options, checks):
            return
    if args.only_convert:
        return
    tell(Report.read(trt))
    taken = measure(model, trt, sizes)
    outside = next(size for size in range(2, 1000) if size not in sizes)
    if outside in prediction.sizes_for([outside], taken):
        checks.hold(f"a batch of {outside}, outside the profiles, is caught", *refused(trt, outside))
    trt_routes.serve(model, options, checks.hold)
    if precision == args.precision.split(",")[0]:  # what is refused does not depend on it
        trt_routes.without_engines(model, checks.hold)


def convert(model: Path, options: Options, checks: Checks) -> bool:
    """Make the copy; whether there is one."""
    began = time.monotonic()
    try:
        converter.convert(model, Order(options=options), limits=Limits.within(MINUTES_S))
    except ConverterError as error:
        checks.hold(f"{options.precision}: a copy is made", False, f"{error.code}: {error}")
        return False
    checks.hold(f"{options.precision}: a copy is made", True, f"{time.monotonic() - began:.0f} s in all")
    return True


def tell(report: Report | None) -> None:
    """The report in short."""
    if report is None:
        raise SystemExit("the copy has no report")
    facts = report.facts
    say(f"- seconds: {json.dumps(report.seconds)}")
    say(
        f"- identity: {json.dumps(report.identity.options)}, {report.identity.gpu}, TensorRT {report.identity.tensorrt}"
    )
    say(f"- {facts['engines']} engines, {facts['operations_converted']} of {facts['operations']} operations")
    for engine in facts["engine_details"]:
        say(f"  - {engine['name']}: {engine['operations']} operations, inputs {engine['inputs']}")
        say(f"    built for {engine['built_for']}")
    left = ", ".join(f"{each['operation']} {each['count']}" for each in facts["operations_left"])
    say(f"- left to TensorFlow: {left}")
    say(f"- size: {report.size_bytes:,} bytes, of the source {report.source_bytes:,}")
    for size, agreed in report.agreement.items():
        say(f"- agreement at batch {size}: {agreed['verdict']}: {agreed['reason']}")


def measure(model: Path, trt: Path, sizes: Sequence[int]) -> Input:
    """Latency of native, frozen and the copy, one after the other in this run, and whether they agree.

    Returns the copy's input, which says what batch sizes it can have.
    """
    frozen = places.location(model, "frozen")
    if not frozen.is_dir():
        converter.convert(model, Order(options=Options(target="frozen", batch_sizes=tuple(sizes))))
    probed = {
        name or "native": run(path, name, sizes) for name, path in ((None, model), ("frozen", frozen), ("trt", trt))
    }
    say(f"\n{latencies.table(probed, sizes)}\n")
    return probed["trt"].description.input


def run(folder: Path, target: str | None, sizes: Sequence[int]) -> probe.Probed:
    """What a model or copy does."""
    return probe.run(probe.Request(folder=folder, target=target, batch_sizes=tuple(sizes)), limits=limits())


def refused(trt: Path, size: int) -> tuple[bool, str]:
    """Whether the strict probe refuses a batch of `size`, and what it says."""
    try:
        run(trt, "trt", [size])
    except CopyRefused as error:
        return error.reason == "native_fallback", f"{error.reason}: {error}"
    return False, "it answered"


def limits() -> Limits:
    """For one probe."""
    return Limits.within(300)


def say(text: Any) -> None:
    """A line of the log."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
