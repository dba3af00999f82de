"""One conversion from beginning to end: can it be, make it, run it, compare it, publish it.

This process loads no TensorFlow: every step that needs it runs in a child (see `making`, `probe`, `environment`).
What numpy is needed for is imported when it is known that there can be a copy.
"""

import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter import room, targets
from converter.contract import (
    LONGEST_S,
    BadOptions,
    ConversionFailed,
    ConverterError,
    CopyRefused,
    Identity,
    Options,
    Order,
    Report,
    TargetUnavailable,
    UnusableModel,
)
from converter.disk import publish
from converter.disk.hashes import FileHash, sha256
from converter.kind import Kind
from converter.machine import environment
from converter.machine.child import Limits
from converter.machine.environment import Environment
from converter.model import engines, files
from converter.progress import Progress
from converter.targets import making, yardstick
from converter.tolerance import Tolerance

if TYPE_CHECKING:
    from converter.comparison.probe import Probed


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A conversion that can be done."""

    kind: Kind
    source: Path
    place: Path
    order: Order
    identity: Identity
    found: Environment
    progress: Progress
    limits: Limits

    @property
    def options(self) -> Options:
        """How the copy is made."""
        return self.order.options


def convert(
    source: Path,
    order: Order,
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
    limits: Limits | None = None,
) -> Report:
    """Make the copy of `source` that is ordered and put it at `folder` (default: beside the source).

    An existing copy is replaced only when the new one is complete and has run; any failure leaves it as it is.
    Where another process makes the same copy already, its copy is waited for and its report returned.
    Where `limits` has none for memory, it is what can be spared here.
    Raises a ConverterError: BadOptions, UnusableModel, TargetUnavailable, ConversionFailed or CopyRefused.
    """
    progress, limits = progress or Progress(), limits or Limits.within(LONGEST_S)
    kind = targets.kind(order.options.target)
    kind.check_options(order.options)
    progress.plan(_steps(kind))
    source, place = _checked(source, order.options, folder)
    with progress.step("check"):
        found = environment.probe(timeout_s=limits.until - time.monotonic())
        answer = kind.availability(found)
        if not answer.available:
            raise TargetUnavailable(answer.reason)
        limits = room.checked(kind, source, limits)
        identity = identify(source, order.options, found)
    work = Work(
        kind=kind,
        source=source,
        place=place,
        order=order,
        identity=identity,
        found=found,
        progress=progress,
        limits=limits,
    )
    with publish.exclusive(place, until=limits.until, waiting=lambda: progress.step("wait")) as waited:
        existing = publish.usable_report(place, kind, identity) if waited else None
        return existing or _make(work)


def identify(source: Path, options: Options, found: Environment, *, file_hash: FileHash = sha256) -> Identity:
    """What a copy of `source` made here and now with `options` would depend on."""
    kind = targets.kind(options.target)
    identity = Identity(
        source_sha256=publish.source_sha256(source, file_hash=file_hash),
        options=options.text((*kind.shaped_by, *options.declared.given())),
        tensorflow=found.tensorflow or "unknown",
        tensorflow_build=found.tensorflow_build or "unknown",
    )
    if not kind.has_engines:
        return identity
    return replace(
        identity,
        tensorrt=environment.dotted(found.tensorrt_loaded),
        gpu=found.gpus[0] if found.gpus else None,
        compute_capability=found.compute_capability,
    )


def _steps(kind: Kind) -> tuple[str, ...]:
    compared = ("yardstick",) if kind.yardstick else ()
    return ("check", "native", *kind.steps, "verify", *compared, "publish")


def _checked(source: Path, options: Options, folder: Path | None) -> tuple[Path, Path]:
    """The source and the place of its copy, resolved; BadOptions or UnusableModel if it can't come to anything."""
    if not (source / "saved_model.pb").is_file():
        raise UnusableModel(f"{source.absolute().name} is no SavedModel: it has no saved_model.pb")
    if options.images is not None:  # the packaged ones are good
        from converter.model import sampling

        sampling.pictures(options.images)
    source = source.resolve()
    if problem := engines.no_original(source):
        raise UnusableModel(problem)
    return source, _place(source, folder or publish.location(source, options.target))


def _place(source: Path, folder: Path) -> Path:
    """`folder`; BadOptions if a copy put there would replace the source or anything else that is no copy."""
    # A link in the copy's place is replaced: nothing is written to where it leads.
    place = folder.parent.resolve() / folder.name if folder.is_symlink() else folder.resolve()
    if place == source or place in source.parents or source in place.parents:
        raise BadOptions(f"the copy can't be put at {place.name}: it must lie outside its source and not around it")
    if place.exists() and not files.may_be_replaced(place):
        raise BadOptions(f"{place.name} exists and is no copy of a model: it is left as it is")
    return place


def _make(work: Work) -> Report:
    with work.progress.step("native"):
        native = _measured(work, work.source, None, ("the model itself", UnusableModel))
    ordered = work.options
    # A batch size that is fixed in the graph is found out only by running it.
    options = replace(ordered, batch_sizes=tuple(sorted(map(int, native.latency))))
    work = replace(work, order=replace(work.order, options=options))
    with publish.written_beside(work.place) as partial:
        facts = making.make(work.source, partial, options, progress=work.progress, limits=work.limits)
        _keep_labels(work.source, partial)
        native.description.write(partial)
        with work.progress.step("verify"):
            if options.save_engines:
                publish.check_kind(partial, work.kind)
            copy = _measured(work, partial, work.kind.name)
        latency = {"native": native.latency, work.kind.name: copy.latency, **_yardstick(work, native)}
        with work.progress.step("publish"):
            if publish.source_sha256(work.source) != work.identity.source_sha256:
                raise ConversionFailed("the model changed while it was converted: the copy is not of what is there now")
            facts = {**facts, "model": asdict(native.description), "batch_sizes_left_out": native.left_out}
            agreed = _agreement(native, copy, work.order.tolerance)
            report = _report(work, facts, latency, agreed)
            return publish.add_report(partial, replace(report, options=ordered))


def _measured(
    work: Work, folder: Path, target: str | None, otherwise: tuple[str, type[ConverterError]] | None = None
) -> "Probed":
    """Run what is in `folder`; `otherwise` is what it is called and what is raised where a copy would be refused."""
    from converter.comparison import probe

    request = probe.Request(
        folder=folder,
        target=target,
        batch_sizes=work.options.batch_sizes,
        images=work.options.images,
        declared=work.options.declared,
        most_weights_bytes=room.limit(work.kind, folder) if target is None else None,
    )
    try:
        return probe.run(request, limits=work.limits, on_line=work.progress.relay)
    except CopyRefused as error:
        if otherwise is None:
            raise
        name, kind_of_error = otherwise
        raise kind_of_error(str(error).replace("the copy", name)) from error


def _yardstick(work: Work, native: "Probed") -> dict[str, Any]:
    """The latency of the copy that this one must beat too, by its name; empty where there is none."""
    name = work.kind.yardstick
    if name is None:
        return {}
    with work.progress.step("yardstick"), tempfile.TemporaryDirectory(prefix="yardstick-") as root:
        folder = Path(root) / name
        yardstick.make(name, work.source, folder, declared=work.options.declared, limits=work.limits)
        native.description.write(folder)
        otherwise = (f"the {name} copy beside it", ConversionFailed)
        return {name: _measured(work, folder, name, otherwise).latency}


def _agreement(native: "Probed", copy: "Probed", tolerance: Tolerance) -> dict[str, Any]:
    """How far the two agree on the pictures, by batch size."""
    from converter.comparison import agreement

    found = {}
    for size, pictures in native.detections.items():
        pairs = zip(pictures, copy.detections[size], strict=True)
        total = agreement.total(agreement.compare(ours, theirs, tolerance) for ours, theirs in pairs)
        verdict = total.verdict(tolerance)
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
        standard=work.order.standard,
    )
