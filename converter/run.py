"""One conversion from beginning to end: can it be, make it, run it, compare it, publish it.

This process loads no TensorFlow: every step that needs it runs in a child (see `making`, `probe`, `environment`).
"""

import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from converter import targets
from converter.comparison import agreement, probe
from converter.comparison.probe import Probed
from converter.contract import (
    BadOptions,
    ConversionFailed,
    ConverterError,
    CopyRefused,
    Identity,
    Options,
    Report,
    TargetUnavailable,
    UnusableModel,
)
from converter.disk import publish
from converter.machine import environment
from converter.machine.child import Limits
from converter.model import engines, sampling
from converter.progress import Progress
from converter.targets import making

LONGEST_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A conversion that can be done."""

    source: Path
    place: Path
    options: Options
    identity: Identity
    found: environment.Environment
    progress: Progress
    limits: Limits


def convert(
    source: Path,
    *,
    options: Options,
    folder: Path | None = None,
    progress: Progress | None = None,
    limits: Limits | None = None,
) -> Report:
    """Make the copy of `source` that `options` ask for and put it at `folder` (default: beside the source).

    An existing copy is replaced only when the new one is complete and has run; any failure leaves it as it is.
    Where another process makes the same copy already, its copy is waited for and its report returned.
    Raises a ConverterError: BadOptions, UnusableModel, TargetUnavailable, ConversionFailed or CopyRefused.
    """
    progress, limits = progress or Progress(), limits or Limits.within(LONGEST_S)
    progress.plan(_steps(options.target))
    source, place = _checked(source, options, folder)
    with progress.step("check"):
        found = environment.probe(timeout_s=limits.until - time.monotonic())
        answer = environment.availability(options.target, found)
        if not answer.available:
            raise TargetUnavailable(answer.reason)
        identity = identify(source, options, found)
    work = Work(
        source=source,
        place=place,
        options=options,
        identity=identity,
        found=found,
        progress=progress,
        limits=limits,
    )
    with publish.alone(place, until=limits.until, waiting=lambda: progress.step("wait")) as waited:
        made = publish.made(place, options.target, identity) if waited else None
        return made or _make(work)


def identify(source: Path, options: Options, found: environment.Environment) -> Identity:
    """What a copy of `source` made here and now with `options` would depend on."""
    kind = _kind(options.target)
    identity = Identity(
        source_sha256=publish.source_sha256(source),
        options={**options.text(kind.shaped_by), **options.declared.given()},
        tensorflow=found.tensorflow or "unknown",
        tensorflow_build=found.tensorflow_build or "unknown",
    )
    if not kind.hardware_bound:
        return identity
    return replace(
        identity,
        tensorrt=environment.dotted(found.tensorrt_loaded),
        gpu=found.gpus[0] if found.gpus else None,
        compute_capability=found.compute_capability,
    )


def _steps(target: str) -> tuple[str, ...]:
    yardstick = ("yardstick",) if target == "trt" else ()
    return ("check", "native", *_kind(target).steps, "verify", *yardstick, "publish")


def _kind(target: str) -> targets.Kind:
    if target not in targets.KINDS:
        raise BadOptions(f"the target {target!r} is not one of {', '.join(targets.KINDS)}")
    return targets.KINDS[target]


def _checked(source: Path, options: Options, folder: Path | None) -> tuple[Path, Path]:
    """The source and the place of its copy, resolved; BadOptions or UnusableModel if it can't come to anything."""
    if not (source / "saved_model.pb").is_file():
        raise UnusableModel(f"{source} is no SavedModel: it has no saved_model.pb")
    if options.images is not None:  # the packaged ones are good
        sampling.pictures(options.images)
    source = source.resolve()
    if problem := engines.no_original(source):
        raise UnusableModel(problem)
    return source, _place(source, folder or publish.location(source, options.target))


def _place(source: Path, folder: Path) -> Path:
    """`folder`; BadOptions if a copy put there would replace the source or anything else that is no copy."""
    place = folder.resolve()
    if place == source or place in source.parents or source in place.parents:
        raise BadOptions(f"the copy can't be put at {folder}: it must lie outside its source and not around it")
    if place.exists() and not publish.may_be_replaced(place):
        raise BadOptions(f"{folder} exists and is no copy of a model: it is left as it is")
    return place


def _make(work: Work) -> Report:
    options, progress = work.options, work.progress
    with progress.step("native"):
        native = _measured(work, work.source, "the model itself", UnusableModel)
    # A batch size that is fixed in the graph is found out only by running it.
    options = replace(options, batch_sizes=tuple(sorted(map(int, native.latency))))
    work = replace(work, options=options)
    with publish.written_beside(work.place) as partial:
        facts = making.make(work.source, partial, options, progress=progress, limits=work.limits)
        _keep_labels(work.source, partial)
        native.description.write(partial)
        with progress.step("verify"):
            if options.save_engines:
                publish.check_kind(partial, options.target)
            copy = _measured(work, partial)
        latency: dict[str, Any] = {"native": native.latency, options.target: copy.latency}
        if options.target == "trt":
            with progress.step("yardstick"):
                latency["frozen"] = _yardstick(work, native)
        with progress.step("publish"):
            if publish.source_sha256(work.source) != work.identity.source_sha256:
                raise ConversionFailed("the model changed while it was converted: the copy is not of what is there now")
            facts = {**facts, "model": asdict(native.description), "batch_sizes_left_out": native.left_out}
            report = _report(work, facts, latency, _agreement(native, copy))
            return publish.add_report(partial, report)


def _measured(
    work: Work, folder: Path, name: str = "the copy", otherwise: type[ConverterError] | None = None
) -> Probed:
    """Run what is in `folder`, called `name` in sentences; `otherwise` is raised where a copy would be refused."""
    try:
        sizes, images = work.options.batch_sizes, work.options.images
        declared = work.options.declared if folder == work.source else None
        hear = work.progress.hear
        return probe.run(folder, sizes, limits=work.limits, images=images, declared=declared, hear=hear)
    except CopyRefused as error:
        if otherwise is None:
            raise
        raise otherwise(str(error).replace("the copy", name)) from error


def _yardstick(work: Work, native: Probed) -> Mapping[str, Any]:
    """The latency of a frozen copy made for the purpose: freezing alone makes a model faster, TF-TRT freezes too."""
    options = replace(work.options, target="frozen")
    with tempfile.TemporaryDirectory(prefix="yardstick-") as folder:
        silent = Progress(show=lambda event: None, pass_on=lambda line: None)
        making.make(work.source, Path(folder) / "frozen", options, progress=silent, limits=work.limits)
        native.description.write(Path(folder) / "frozen")
        return _measured(work, Path(folder) / "frozen", "the frozen copy beside it", ConversionFailed).latency


def _agreement(native: Probed, copy: Probed) -> dict[str, Any]:
    """How far the two agree on the pictures, by batch size."""
    limits = agreement.Limits()
    found = {}
    for size, pictures in native.detections.items():
        pairs = zip(pictures, copy.detections[size], strict=True)
        total = agreement.total(agreement.compare(ours, theirs, limits) for ours, theirs in pairs)
        verdict = total.verdict(limits)
        found[size] = {"verdict": verdict.word, "reason": verdict.reason, **total.to_json()}
    return found


def _keep_labels(source: Path, partial: Path) -> None:
    if (source / "assets.extra").is_dir():
        shutil.copytree(source / "assets.extra", partial / "assets.extra", dirs_exist_ok=True)


def _report(work: Work, facts: Mapping[str, Any], latency: Mapping[str, Any], agreed: Mapping[str, Any]) -> Report:
    return Report(
        target=work.options.target,
        options=work.options,
        identity=work.identity,
        environment=environment.as_json(work.found),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=dict(work.progress.seconds),
        source_bytes=publish.size_bytes(work.source),
        size_bytes=0,  # publish.add_report knows it
        batch_sizes=work.options.batch_sizes,
        facts=facts,
        probe={"passed": True, "native_segments": "forbidden"},
        latency=latency,
        agreement=agreed,
    )
