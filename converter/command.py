"""The command line of a conversion: options in words, and what they mean. Also how a server writes it."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from converter import targets
from converter.contract import PRECISIONS, STRATEGIES, Options
from converter.description import BOXES, FITS, SCALES
from converter.machine import child
from converter.machine.child import Limits

_DEFAULTS = Options()
_LONGEST_S = 3600.0


def parser() -> argparse.ArgumentParser:
    """The parser; `options` and `limits` read what it returns."""
    made = argparse.ArgumentParser(
        prog="python -m converter",
        description="Make a copy of a TensorFlow detector, checked and complete, in a folder beside it.",
        epilog="Exit codes: 0 made; 2 bad options; 3 unusable model; 4 can't be made on this machine; "
        "5 the conversion failed; 6 the copy was made and refused; 130 cancelled.",
    )
    made.add_argument("model", type=Path, help="the SavedModel's folder")
    made.add_argument("--target", choices=tuple(targets.KINDS), default=_DEFAULTS.target)
    made.add_argument("--output", type=Path, help="where the copy goes (default: MODEL_TARGET, beside the model)")
    made.add_argument(
        "--batch-sizes",
        type=_sizes,
        default=_DEFAULTS.batch_sizes,
        metavar="1,8",
        help="batch sizes that will be served",
    )
    made.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="JPEG files to build engines, calibrate INT8 and compare with (default: packaged photos, not for INT8)",
    )
    made.add_argument(
        "--precision",
        choices=PRECISIONS,
        type=str.upper,
        default=_DEFAULTS.precision,
        help="of trt and onnx copies; INT8 of trt copies only",
    )
    _add_declared(made.add_argument_group("of the model, where it can't be read"))
    _add_limits(made)
    _add_tftrt(made.add_argument_group("for --target trt"))
    made.add_argument("--background", action="store_true", help=argparse.SUPPRESS)
    made.add_argument(child.ENDS_WITH_STDIN, action="store_true", help=argparse.SUPPRESS)
    return made


def options(args: argparse.Namespace) -> Options:
    """The options asked for; BadOptions if they contradict each other."""
    return Options(
        target=args.target,
        batch_sizes=args.batch_sizes,
        images=args.images,
        precision=args.precision,
        minimum_segment_size=args.minimum_segment_size,
        workspace_bytes=args.workspace_mib << 20,
        cached_engines=args.cached_engines,
        dynamic_shape=not args.static_shape,
        profile_strategy=args.profile_strategy,
        calibration=not args.no_calibration,
        build_at_run_time=args.build_at_run_time,
        save_engines=not args.portable,
        denylist=args.denylist,
        signature=args.signature,
        input_scale=args.input_scale,
        input_fit=args.input_fit,
        boxes=args.boxes,
    )


def limits(args: argparse.Namespace) -> Limits:
    """What the conversion may take, from now on."""
    memory = args.memory_limit_mib
    return Limits.within(args.time_limit_seconds, memory << 20 if memory else None)


def written(wanted: Options) -> Iterator[str]:
    """The arguments from which `options` reads `wanted`."""
    yield from ("--target", wanted.target, "--batch-sizes", ",".join(map(str, wanted.batch_sizes)))
    if wanted.images is not None:
        yield f"--images={wanted.images}"  # a name may begin with a dash
    yield from ("--precision", wanted.precision, "--minimum-segment-size", str(wanted.minimum_segment_size))
    yield from ("--workspace-mib", str(wanted.workspace_bytes >> 20), "--profile-strategy", wanted.profile_strategy)
    if wanted.cached_engines is not None:
        yield from ("--cached-engines", str(wanted.cached_engines))
    if wanted.denylist:
        yield from ("--denylist", ",".join(wanted.denylist))
    yield from (f"--{name.replace('_', '-')}={value}" for name, value in wanted.declared.given().items())
    flags = {
        "--static-shape": not wanted.dynamic_shape,
        "--no-calibration": not wanted.calibration,
        "--build-at-run-time": wanted.build_at_run_time,
        "--portable": not wanted.save_engines,
    }
    yield from (flag for flag, is_set in flags.items() if is_set)


def _add_declared(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--signature", metavar="NAME", help="the signature to convert (default: serving_default)")
    group.add_argument("--input-scale", choices=tuple(SCALES), help="what its float32 pictures are made of")
    group.add_argument("--input-fit", choices=FITS, help="how pictures become its fixed size (default: stretch)")
    group.add_argument("--boxes", choices=BOXES, metavar="FORM", help=f"what its boxes are: {', '.join(BOXES)}")


def _add_limits(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--time-limit-seconds", type=float, default=_LONGEST_S, metavar="S", help="it is ended after this long"
    )
    made.add_argument(
        "--memory-limit-mib",
        type=int,
        metavar="MIB",
        help="it is ended when it holds more than this (default: no limit)",
    )


def _add_tftrt(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--minimum-segment-size",
        type=int,
        default=_DEFAULTS.minimum_segment_size,
        metavar="N",
        help="fewest operations that become an engine",
    )
    group.add_argument(
        "--workspace-mib",
        type=int,
        default=_DEFAULTS.workspace_bytes >> 20,
        metavar="MIB",
        help="most scratch memory TensorRT may use on the GPU",
    )
    group.add_argument(
        "--cached-engines", type=int, metavar="N", help="most engines kept for a segment (default: one a batch size)"
    )
    group.add_argument("--profile-strategy", choices=STRATEGIES, default=_DEFAULTS.profile_strategy)
    group.add_argument("--static-shape", action="store_true", help="implicit batch: one engine for each batch size")
    group.add_argument(
        "--no-calibration", action="store_true", help="INT8 of a model with quantisation nodes of its own"
    )
    group.add_argument("--build-at-run-time", action="store_true", help="engines may be built inside a request")
    group.add_argument(
        "--portable",
        action="store_true",
        help="save no engines: for another GPU, which builds its own; a server never loads such a copy",
    )
    group.add_argument(
        "--denylist", type=_names, default=(), metavar="OP,OP", help="types of operations to leave to TensorFlow"
    )


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers like 1,8") from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(sorted({part.strip() for part in text.split(",") if part.strip()}))
