"""One conversion from beginning to end: can it be, make it, look at it, run it, publish it."""

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from converter import environment, probe, publish, targets
from converter.contract import BadOptions, Identity, Options, Report, TargetUnavailable, UnusableModel
from converter.progress import Progress


def convert(source: Path, *, options: Options, folder: Path | None = None, progress: Progress | None = None) -> Report:
    """Make the copy of `source` that `options` ask for and put it at `folder` (default: beside the source).

    An existing copy is replaced only when the new one is complete and has run; any failure leaves it as it is.
    Raises a ConverterError: BadOptions, UnusableModel, TargetUnavailable, ConversionFailed or CopyRefused.
    """
    progress = progress or Progress()
    _kind(options.target)
    if not (source / "saved_model.pb").is_file():
        raise UnusableModel(f"{source} is no SavedModel: it has no saved_model.pb")
    source = source.resolve()
    place = _place(source, folder or publish.location(source, options.target))
    with progress.step("check"):
        found = environment.probe()
        answer = environment.availability(options.target, found)
        if not answer.available:
            raise TargetUnavailable(answer.reason)
        identity = identify(source, options.target, found)
    with publish.written_beside(place) as partial:
        facts = targets.load(options.target).make(source, partial, options, progress)
        _keep_labels(source, partial)
        with progress.step("verify"):
            publish.check_kind(partial, options.target)
            latency = probe.run(partial, options.batch_sizes)
        with progress.step("publish"):
            return publish.add_report(partial, _report(options, identity, progress, facts, latency))


def identify(source: Path, target: str, found: environment.Environment) -> Identity:
    """What a copy of `source` made here and now would depend on."""
    tensorflow = found.tensorflow or "unknown"
    digest = publish.source_sha256(source)
    if not _kind(target).hardware_bound:
        return Identity(source_sha256=digest, tensorflow=tensorflow)
    return Identity(
        source_sha256=digest,
        tensorflow=tensorflow,
        tensorrt=environment.dotted(found.tensorrt_loaded),
        gpu=found.gpus[0] if found.gpus else None,
        compute_capability=found.compute_capability,
    )


def _kind(target: str) -> targets.Kind:
    if target not in targets.KINDS:
        raise BadOptions(f"the target {target!r} is not one of {', '.join(targets.KINDS)}")
    return targets.KINDS[target]


def _place(source: Path, folder: Path) -> Path:
    """`folder`; BadOptions if a copy put there would replace the source or anything else that is no copy."""
    place = folder.resolve()
    if place == source or place in source.parents or source in place.parents:
        raise BadOptions(f"the copy can't be put at {folder}: it must lie outside its source and not around it")
    if place.exists() and not publish.may_be_replaced(place):
        raise BadOptions(f"{folder} exists and is no copy of a model: it is left as it is")
    return place


def _keep_labels(source: Path, partial: Path) -> None:
    if (source / "assets.extra").is_dir():
        shutil.copytree(source / "assets.extra", partial / "assets.extra", dirs_exist_ok=True)


def _report(
    options: Options, identity: Identity, progress: Progress, facts: Mapping[str, Any], latency: Mapping[str, Any]
) -> Report:
    return Report(
        target=options.target,
        options=options,
        identity=identity,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=dict(progress.seconds),
        size_bytes=0,  # publish.add_report knows it
        batch_sizes=options.batch_sizes,
        facts=facts,
        probe=latency,
    )
