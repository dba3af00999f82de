"""What is measured in a conversion: the model as it came, its copy, a yardstick, and how far they agree."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter import room
from converter.contract import ConversionFailed, ConverterError, CopyRefused, Identity, Options, Order
from converter.disk.hashes import FileHash
from converter.kind import Kind
from converter.machine.child import Limits
from converter.machine.environment import Environment
from converter.progress import Progress
from converter.targets import parting, yardstick

if TYPE_CHECKING:
    from converter.comparison.probe import Probed
    from converter.model.detections import Detections


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A conversion that can be done."""

    kind: Kind
    source: Path
    place: Path
    order: Order
    identity: Identity
    file_hash: FileHash
    found: Environment
    progress: Progress
    limits: Limits

    @property
    def options(self) -> Options:
        """How the copy is made."""
        return self.order.options

    @property
    def compared_on(self) -> Path | None:
        """The folder of pictures on which the copy is compared; None: the packaged photos and variations."""
        return self.order.pictures or self.options.images

    @property
    def rounds_alike(self) -> bool:
        """Whether native and the copy compute in FP32 on the same CPU."""
        return self.options.precision == "FP32" and not self.found.gpus

    def of_sizes(self, batch_sizes: tuple[int, ...]) -> "Work":
        """The same at other batch sizes."""
        return replace(self, order=replace(self.order, options=replace(self.options, batch_sizes=batch_sizes)))


def measured(
    work: Work, folder: Path, target: str | None, otherwise: tuple[str, type[ConverterError]] | None = None
) -> "Probed":
    """Run what is in `folder`; `otherwise` is what it is called and what is raised where a copy would be refused."""
    from converter.comparison import probe

    request = probe.Request(
        folder=folder,
        target=target,
        batch_sizes=work.options.batch_sizes,
        images=work.compared_on,
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


def beside(work: Work, native: "Probed") -> tuple[dict[str, Any], dict[str, str]]:
    """The latency of the copy that this one must beat too, by its name, and facts: why there is none."""
    name = work.kind.yardstick
    if name is None:
        return {}, {}
    try:
        return {name: _latency(work, native, name)}, {}
    except (ConverterError, OSError) as error:
        return {}, {"yardstick": f"there is no {name} copy to compare its speed with: {error}"}


def _latency(work: Work, native: "Probed", name: str) -> Mapping[str, Any]:
    with work.progress.step("yardstick"), tempfile.TemporaryDirectory(prefix="yardstick-") as root:
        folder = Path(root) / name
        yardstick.make(name, work.source, folder, declared=work.options.declared, limits=work.limits)
        native.description.write(folder)
        return measured(work, folder, name, (f"the {name} copy beside it", ConversionFailed)).latency


def agreement(work: Work, native: "Probed", copy: "Probed") -> dict[str, Any]:
    """How far the two agree on the pictures, by batch size."""
    from converter.comparison.agreement import total
    from converter.comparison.matching import compare
    from converter.model import sampling

    tolerance, found = work.order.tolerance, {}
    for size in native.detections:
        names = sampling.photo_names(work.compared_on, len(native.detections[size]))
        pairs = zip(_pairs(native, copy, size), names, strict=True)
        agreed = total(compare(ours, theirs, tolerance, photo=photo) for (ours, theirs), photo in pairs)
        verdict = agreed.verdict(tolerance)
        found[size] = {"verdict": verdict.word, "reason": verdict.reason, **agreed.to_json()}
    return found


def faithful(work: Work, native: "Probed", copy: "Probed", agreed: Mapping[str, Any]) -> dict[str, str]:
    """Facts about a copy that differs by more than rounding; ConversionFailed if it computes something else.

    Where native and the copy compute alike, such a difference is looked into; elsewhere only one that counts is. At
    which operation the values part is then found out in FP32 on a CPU.
    """
    counts = _that_count(agreed)
    if not counts and not _beyond_rounding(work, native, copy):
        return {}
    answer = parting.first(work.source, work.options, limits=work.limits)
    reason = answer.found or _known(work, native, counts)
    if reason is None:
        return {"parting": "each of its operations computes what the model's does"} if answer.looked else {}
    if work.order.keep_disagreeing:
        return {"parting": reason}
    raise ConversionFailed(f"the copy computes something else than the model: {reason}")


def _that_count(agreed: Mapping[str, Any]) -> list[str]:
    """How the copy disagrees, in words."""
    disagreeing = {size: each["reason"] for size, each in agreed.items() if each["verdict"] == "disagrees"}
    return [f"{reason} at batch size {size}" for size, reason in disagreeing.items()]


def _known(work: Work, native: "Probed", counts: Sequence[str]) -> str | None:
    """The first of them, if neither a precision nor a GPU nor the model itself can be the reason."""
    return counts[0] if counts and work.rounds_alike and not _wavers(work, native) else None


def _beyond_rounding(work: Work, native: "Probed", copy: "Probed") -> bool:
    from converter.comparison.rounding import beyond

    sizes = native.detections if work.rounds_alike else ()
    return any(beyond(_pairs(native, copy, size), work.order.tolerance) for size in sizes)


def _wavers(work: Work, native: "Probed") -> bool:
    """Whether the model itself answers differently from call to call, as far as two batch sizes tell."""
    from converter.comparison.rounding import beyond

    first, *others = native.detections.values()
    return any(beyond(zip(first, each, strict=True), work.order.tolerance) for each in others)


def _pairs(native: "Probed", copy: "Probed", size: str) -> Iterator[tuple["Detections", "Detections"]]:
    return zip(native.detections[size], copy.detections[size], strict=True)
