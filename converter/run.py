"""One conversion from beginning to end: can it be, make it, run it, compare it, publish it.

This process loads no TensorFlow: every step that needs it runs in a child (see `making`, `probe`, `environment`).
What numpy is needed for is imported when it is known that there can be a copy.
"""

import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from converter import room, targets
from converter.contract import (
    LONGEST_S,
    BadOptions,
    ConversionFailed,
    Options,
    Order,
    Report,
    TargetUnavailable,
    UnusableModel,
)
from converter.disk import checks, kept, places, publish, trees
from converter.disk.hashes import Hashes, sha256
from converter.identity import identify
from converter.kind import Kind
from converter.machine import environment
from converter.machine.child import Limits
from converter.machine.environment import Environment
from converter.measuring import Work, agreement, beside, faithful, measured
from converter.model import engines, files
from converter.progress import Progress
from converter.targets import making


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
        _check_available(kind, found)
        limits = room.checked(kind, source, limits)
        file_hash = sha256 if order.verify else Hashes(kept.beside(place))
        identity = identify(source, order.options, found, file_hash=file_hash)
    work = Work(
        kind=kind,
        source=source,
        place=place,
        order=order,
        identity=identity,
        file_hash=file_hash,
        found=found,
        progress=progress,
        limits=limits,
    )
    with publish.exclusive(place, until=limits.until, waiting=lambda: progress.step("wait")) as waited:
        existing = checks.usable_report(place, kind, identity) if waited else None
        return existing or _make(work)


def _check_available(kind: Kind, found: Environment) -> None:
    answer = kind.availability(found)
    if not answer.available:
        raise TargetUnavailable(answer.reason)


def _steps(kind: Kind) -> tuple[str, ...]:
    compared = ("yardstick",) if kind.yardstick else ()
    return ("check", "native", *kind.steps, "verify", *compared, "publish")


def _checked(source: Path, options: Options, folder: Path | None) -> tuple[Path, Path]:
    """The source and the place of its copy, resolved; BadOptions or UnusableModel if it can't come to anything."""
    if problem := files.no_savedmodel(source):
        raise UnusableModel(problem)
    if options.images is not None:  # the packaged ones are good
        from converter.model import sampling

        sampling.pictures(options.images)
    source = source.resolve()
    if problem := engines.no_original(source):
        raise UnusableModel(problem)
    return source, _place(source, folder or places.location(source, options.target))


def _place(source: Path, folder: Path) -> Path:
    """`folder`; BadOptions if a copy put there would replace the source or anything else that is no copy."""
    # A link in the copy's place is replaced: nothing is written to where it leads.
    place = folder.parent.resolve() / folder.name if folder.is_symlink() else folder.resolve()
    if place == source or place in source.parents or source in place.parents:
        raise BadOptions(f"the copy can't be put at {place.name}: it must lie outside its source and not around it")
    if place.exists() and not files.may_be_replaced(place):
        raise BadOptions(f"{place.name} exists and is not a copy of a model: it is left as it is")
    return place


def _make(work: Work) -> Report:
    with work.progress.step("native"):
        native = measured(work, work.source, None, ("the model itself", UnusableModel))
    ordered = work.options
    # A batch size that is fixed in the graph is found out only by running it.
    work = work.of_sizes(tuple(sorted(map(int, native.latency))))
    options = work.options
    with publish.written_beside(work.place) as partial:
        facts = making.make(work.source, partial, options, progress=work.progress, limits=work.limits)
        _keep_labels(work.source, partial)
        native.description.write(partial)
        with work.progress.step("verify"):
            if options.save_engines:
                checks.check_kind(partial, work.kind)
            copy = measured(work, partial, work.kind.name)
            agreed = agreement(work, native, copy)
            parted = faithful(work, native, copy, agreed)
        others, without = beside(work, native)
        latency = {"native": native.latency, work.kind.name: copy.latency, **others}
        with work.progress.step("publish"):
            if trees.source_sha256(work.source, file_hash=work.file_hash) != work.identity.source_sha256:
                raise ConversionFailed("the model changed while it was converted: the copy is not of what is there now")
            told = {"model": asdict(native.description), "batch_sizes_left_out": native.left_out}
            facts = {**facts, **told, **parted, **without}
            report = _report(work, facts, latency, agreed)
            return checks.add_report(partial, replace(report, options=ordered))


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
        source_bytes=trees.size_bytes(work.source),
        size_bytes=0,  # checks.add_report knows it
        batch_sizes=work.options.batch_sizes,
        facts=facts,
        probe={"passed": True, "native_segments": "forbidden"},
        latency=latency,
        agreement=agreed,
        standard=work.order.standard,
    )
