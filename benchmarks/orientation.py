"""What a lying picture costs: `python -m benchmarks.orientation`. Which objects are found in photos that a camera has
stored in each of the eight EXIF orientations, as stored and upright, and what turning a file takes.
"""

import asyncio
import io
import statistics
import time
from collections import Counter
from collections.abc import Iterator

from PIL import Image as Pillow

from app.backends.backend import Backend, Spec
from app.backends.worker import start_worker
from app.images import Image, check
from app.settings import bundled_model
from converter.comparison.agreement import total
from converter.comparison.matching import Comparison, compare
from converter.model import orientation, sampling
from converter.model.detections import Detections
from converter.tolerance import Tolerance
from tests.support.places import ROOT

_INVERSE = {6: 8, 8: 6}  # the others undo themselves
_SIZES = ((640, 480), (1920, 1080), (4032, 3024))


def main() -> None:
    """Measure and print."""
    for line in asyncio.run(measure()):
        print(line)


async def measure() -> list[str]:
    """The lines of the answer."""
    photos = [*sampling.packaged(), (ROOT / "tests" / "data" / "dog.jpg").read_bytes()]
    native = await start_worker(Spec(name="native", folder=bundled_model() / "1", max_batch=1))
    try:
        return [*[await found_in(native, photos, turn) for turn in range(1, 9)], *times()]
    finally:
        await native.close()


async def found_in(native: Backend, photos: list[bytes], turn: int) -> str:
    """How many of the objects in upright photos are found in the same photos stored like this."""
    wanted = as_stored = upright = 0
    pairs: list[Comparison] = []
    for photo in photos:
        image = check(lying(photo, turn), max_pixels=1 << 27)
        truth, seen, turned = [
            await ask(native, each) for each in (check(photo, max_pixels=1 << 27), image, image.upright())
        ]
        wanted += len(truth)
        as_stored += common(truth, seen)
        upright += common(truth, turned)
        pairs.append(compare(truth, turned, Tolerance()))
    agreed = total(pairs).verdict(Tolerance())
    return f"orientation {turn}: of {wanted} objects {as_stored} as stored, {upright} upright; upright: {agreed.reason}"


async def ask(native: Backend, image: Image) -> Detections:
    """What counts as an answer."""
    (found,) = await native.detect([image])
    return found.best(threshold=Tolerance().threshold, limit=100)


def common(one: Detections, other: Detections) -> int:
    """How many objects both have, wherever they are."""
    return (Counter(one.classes.tolist()) & Counter(other.classes.tolist())).total()


def lying(photo: bytes, turn: int) -> bytes:
    """The photo as a camera stores it that is held so."""
    exif = Pillow.Exif()
    exif[0x0112] = turn
    stream = io.BytesIO()
    with Pillow.open(io.BytesIO(photo)) as picture:
        stored = orientation.turned_picture(picture, _INVERSE.get(turn, turn))
        stored.save(stream, "JPEG", quality=95, subsampling=0, exif=exif)
    return stream.getvalue()


def times() -> Iterator[str]:
    """What turning a file and encoding it again takes."""
    photo = sampling.packaged()[0]
    for size in _SIZES:
        stream = io.BytesIO()
        with Pillow.open(io.BytesIO(photo)) as picture:
            picture.resize(size).save(stream, "JPEG", quality=90)
        data, taken = stream.getvalue(), []
        for _ in range(7):
            started = time.thread_time()
            (again,) = orientation.turned_files([data], [(size[1], size[0], 6)], None)
            taken.append(time.thread_time() - started)
        yield (
            f"{size[0]} x {size[1]}: {1000 * statistics.median(taken):.0f} ms of one core, "
            f"{len(data):,} bytes become {len(again):,}"
        )


if __name__ == "__main__":
    main()
