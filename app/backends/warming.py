"""At which batch sizes a worker calls its model, and how often at once, found by calling it: for every worker."""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from app.backends.backend import BatchFailed, ModelRefused
from converter.description import Input
from converter.model import sampling
from converter.model.detections import Detections
from converter.model.prediction import working_batch_sizes
from converter.model.roles import MOST_SCORE

Call = Callable[[Sequence[bytes], Sequence[tuple[int, int]]], Sequence[Detections]]


def twice(call: Call) -> Call:
    """A call that is made two times, for GPUs: their libraries optimise after the first one of a size."""

    def called(jpegs: Sequence[bytes], sizes: Sequence[tuple[int, int]]) -> Sequence[Detections]:
        call(jpegs, sizes)
        return call(jpegs, sizes)

    return called


def warm_up(
    call: Call, wanted: Sequence[int], taken: Input, *, name: str, enough: int | None = None
) -> tuple[int, ...]:
    """Call a model, by JPEG files and their sizes, at each batch size, until there are `enough` that work; which.

    Exporters fix the batch in the graph although the signature says [None], so a size may fail; ModelRefused, which
    calls the model `name`, if all do.
    """
    failed: list[BatchFailed] = []

    def works(size: int) -> bool:
        if failure := failure_at(call, size):
            failed.append(failure)
        return failure is None

    sizes = tuple(working_batch_sizes(wanted, taken, works, enough=enough))
    if not sizes:
        raise ModelRefused(f"{name} fails on a good photo: {failed[0]}") from failed[0]
    return sizes


def failure_at(call: Call, size: int) -> BatchFailed | None:
    """Why a model can't be called at this batch size, which the log is told too; None if it can.

    ModelRefused if its scores are none.
    """
    jpegs = sampling.batch(sampling.packaged(), size)
    try:
        _check_scores(call(jpegs, [sampling.size_of(each) for each in jpegs]))
    except BatchFailed as error:
        print(f"batch size {size} does not work and is not used: {error}", flush=True)
        return error
    return None


def rehearse(call: Call, sizes: Sequence[int], in_flight: int) -> int:
    """Call a warm model as traffic does: `in_flight` batches at once, of sizes that change; how many work at once.

    What a GPU does once more for a new order of sizes, or for batches beside each other, is done before anybody waits
    for it. Half as many are tried where one fails: together they may need more memory than there is.
    """
    photos = sampling.packaged()
    order = random.Random(0).sample([*sizes] * in_flight * 2, len(sizes) * in_flight * 2)

    def once(size: int) -> None:
        jpegs = sampling.batch(photos, size)
        call(jpegs, [sampling.size_of(each) for each in jpegs])

    while in_flight > 1:
        try:
            with ThreadPoolExecutor(in_flight) as pool:
                list(pool.map(once, order))
            break
        except BatchFailed as error:
            print(f"{in_flight} batches at once do not work, half as many are tried: {error}", flush=True)
            in_flight //= 2
    return in_flight


def _check_scores(answers: Sequence[Detections]) -> None:
    """ModelRefused if they are no scores: a threshold would mean nothing."""
    highest = max((float(each.scores.max(initial=0.0)) for each in answers), default=0.0)
    if highest > MOST_SCORE:
        raise ModelRefused(f"its scores go up to {highest:.4g}; scores from 0 to 1 are needed")


def padded(jpegs: Sequence[bytes], sizes: Sequence[int]) -> list[bytes]:
    """A batch filled up with its first file to the next of these sizes, if there is one."""
    size = next((size for size in sizes if size >= len(jpegs)), len(jpegs))
    return [*jpegs, *[jpegs[0]] * (size - len(jpegs))]
