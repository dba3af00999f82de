"""A model on a GPU by TensorFlow, ONNX Runtime and TensorRT, one after the other in one run.

    python -m benchmarks.onnx_gpu MODEL [--precision FP16] [--batch-sizes 1,8]

Native TensorFlow in FP32 and in mixed precision; the copy for ONNX Runtime, which is made if it is not there; the
TF-TRT copy if it is there. Prints a table in Markdown and how many operations ran by which of ONNX Runtime's providers.
"""

import argparse
import json
import sys
from pathlib import Path

import converter
from benchmarks import latencies
from converter import stored
from converter.comparison import probe
from converter.contract import Options, Order
from converter.disk import places
from converter.machine import child
from converter.machine.child import Limits
from converter.model.onnx_copy import OnnxCopy


def main() -> int:
    """Make the copy and measure; 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--precision", default="FP16")
    parser.add_argument("--batch-sizes", default="1,8")
    args = parser.parse_args()
    sizes = tuple(int(size) for size in args.batch_sizes.split(","))
    onnx, trt = (places.location(args.model, target) for target in ("onnx", "trt"))
    if not onnx.is_dir():
        options = Options(target="onnx", precision=args.precision, batch_sizes=sizes)
        converter.convert(args.model, Order(options=options))
    probed = {
        "native": run(args.model, None, sizes),
        "native, mixed precision": mixed(args.model, sizes),
        f"onnx, {args.precision}": run(onnx, "onnx", sizes),
    }
    if trt.is_dir():
        probed["trt"] = run(trt, "trt", sizes)
    print(latencies.table(probed, sizes))
    assigned = OnnxCopy(onnx).assigned
    print(
        f"\nONNX Runtime's operations by provider: {json.dumps(assigned.nodes)}; {assigned.fallback or 'no fallback'}"
    )
    return 0


def run(folder: Path, target: str | None, sizes: tuple[int, ...]) -> probe.Probed:
    """What a model or copy does."""
    return probe.run(probe.Request(folder=folder, target=target, batch_sizes=sizes), limits=Limits.within(300))


def mixed(model: Path, sizes: tuple[int, ...]) -> probe.Probed:
    """What the model does in mixed precision."""
    request = stored.to_json(probe.Request(folder=model, batch_sizes=sizes))
    done = child.run("benchmarks.mixed_precision", request, limits=Limits.within(300))
    if done.returncode:
        raise RuntimeError(done.stderr)
    return probe.parse(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
