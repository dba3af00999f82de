"""The command line of a conversion: options in words, and what they mean."""

import argparse
from pathlib import Path

from converter import targets
from converter.contract import LONGEST_S, PRECISIONS, STRATEGIES, Options, Order
from converter.description import FITS, SCALES
from converter.machine import child
from converter.machine.child import Limits
from converter.outputs import MOST, OVERLAP, ROLES
from converter.reading import EXAMPLES, FORM

_DEFAULTS = Options()


def parser() -> argparse.ArgumentParser:
    """The parser; `order` and `limits` read what it returns."""
    parser = argparse.ArgumentParser(
        prog="python -m converter",
        description="Make a copy of a TensorFlow detector, checked and complete, in a folder beside it.",
        epilog="Exit codes: 0 made; 2 bad options; 3 unusable model; 4 can't be made on this machine; "
        "5 the conversion failed; 6 the copy was made and refused; 130 cancelled. "
        "`python -m converter evaluate --help`: how right a model and its copies are.",
    )
    parser.add_argument("model", type=Path, help="the SavedModel's folder")
    _add_target(parser)
    add_declared(parser.add_argument_group("what the model does not say of itself"))
    _add_limits(parser)
    _add_tftrt(parser.add_argument_group("for --target trt"))
    _add_for_servers(parser)
    return parser


def order(args: argparse.Namespace) -> Order:
    """The conversion asked for; BadOptions if the options contradict each other."""
    if args.order is None:
        targets.kind(args.target).check_precision(args.precision)
        found = Order(options=_options(args), verify=args.verify, keep_disagreeing=args.keep_disagreeing)
    else:
        found = Order.from_json(args.order)
    targets.kind(found.options.target).check_options(found.options)
    return found


def limits(args: argparse.Namespace) -> Limits:
    """What the conversion may take, from now on."""
    memory = args.memory_limit_mib
    return Limits.within(args.time_limit_seconds, memory << 20 if memory else None)


def _options(args: argparse.Namespace) -> Options:
    return Options(
        target=args.target,
        batch_sizes=args.batch_sizes or targets.kind(args.target).sizes(),
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
        outputs=args.outputs,
        nms_iou=args.nms_iou,
        nms_count=args.nms_count,
    )


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--target", choices=tuple(targets.KINDS), default=_DEFAULTS.target, help="the kind of copy to make"
    )
    parser.add_argument("--output", type=Path, help="where the copy goes (default: MODEL_TARGET, beside the model)")
    parser.add_argument(
        "--batch-sizes",
        type=_sizes,
        metavar="1,8",
        help="the batch sizes that will be served (default: 1,8, for trt 1,2,4,8)",
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="folder of JPEG files to build engines, calibrate INT8 and compare with (default: the packaged photos, "
        "but not for INT8)",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        type=str.upper,
        default=_DEFAULTS.precision,
        help="precision of trt and onnx copies; INT8 is for trt copies only",
    )
    parser.add_argument(
        "--keep-disagreeing",
        action="store_true",
        help="keep a copy that computes something else than the model, to look at it",
    )


def _add_for_servers(parser: argparse.ArgumentParser) -> None:
    """What a server says to the conversions that it starts; no words for people."""
    parser.add_argument("--order", metavar="JSON", help=argparse.SUPPRESS)  # in place of all options
    parser.add_argument("--background", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(child.ENDS_WITH_STDIN, action="store_true", help=argparse.SUPPRESS)


def add_declared(group: "argparse._ArgumentGroup") -> None:
    """What can be declared of a model (see `converter.description.Declared`)."""
    group.add_argument("--signature", metavar="NAME", help="the signature to convert (default: serving_default)")
    group.add_argument(
        "--input-scale", choices=tuple(SCALES), help="scale of the float32 or float16 pictures that it takes"
    )
    group.add_argument(
        "--input-fit", choices=FITS, help="how pictures get the fixed size of its input (default: stretch)"
    )
    group.add_argument(
        "--boxes", metavar="FORM", help=f"what the numbers of its boxes mean: {FORM}, like {', '.join(EXAMPLES)}"
    )
    group.add_argument("--outputs", metavar="ROLE=NAME,…", help=f"which of its outputs is what: {', '.join(ROLES)}")
    before = "for a head before NMS: maximum"
    group.add_argument("--nms-iou", type=float, metavar="IOU", help=f"{before} overlap (default: {OVERLAP})")
    group.add_argument(
        "--nms-count", type=int, metavar="N", help=f"{before} number of boxes in a picture (default: {MOST})"
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--time-limit-seconds", type=float, default=LONGEST_S, metavar="S", help="maximum seconds for the conversion"
    )
    parser.add_argument(
        "--memory-limit-mib",
        type=int,
        metavar="MIB",
        help="maximum memory for the conversion (default: what is free, less a margin)",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="hash every file of the model, also those whose size, times and inode have not changed",
    )


def _add_tftrt(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--minimum-segment-size",
        type=int,
        default=_DEFAULTS.minimum_segment_size,
        metavar="N",
        help="minimum number of operations in an engine",
    )
    group.add_argument(
        "--workspace-mib",
        type=int,
        default=_DEFAULTS.workspace_bytes >> 20,
        metavar="MIB",
        help="maximum scratch memory for TensorRT on the GPU",
    )
    group.add_argument(
        "--cached-engines",
        type=int,
        metavar="N",
        help="maximum number of engines that are kept for a segment (default: one for each batch size)",
    )
    group.add_argument(
        "--profile-strategy", choices=STRATEGIES, default=_DEFAULTS.profile_strategy, help="how TF-TRT makes profiles"
    )
    group.add_argument(
        "--static-shape", action="store_true", help="use an implicit batch, with one engine for each batch size"
    )
    group.add_argument(
        "--no-calibration", action="store_true", help="INT8 of a model with quantisation nodes of its own"
    )
    group.add_argument("--build-at-run-time", action="store_true", help="allow that engines are built inside a request")
    group.add_argument(
        "--portable",
        action="store_true",
        help="save no engines, for another GPU that builds its own; a server never loads such a copy",
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
