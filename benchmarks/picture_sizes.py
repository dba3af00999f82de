"""Is `auto` as fast as the faster backend at every size of pictures? `python -m benchmarks.picture_sizes`.

Waits until the gate has judged the copy on all sizes, and says how long that took after the copy was loaded. Then
photos of 0.4, 2 and 12 MP are sent in turn to `auto`, to native and to the copy, one at a time.
"""

import argparse
import statistics
import sys
import time
from collections import defaultdict
from typing import Any

import httpx

from benchmarks.serving import Server, serving
from converter.comparison import enlarging
from converter.sizes import SIZES

MEGAPIXELS = (0.4, 2, 12)
BACKENDS = ("auto", "native", "onnx")
STAY_S = 40.0  # a verdict that was not for sure is looked at again


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    args = parser.parse_args()
    photos = {size: [data for _, data in enlarging.photos(int(size * 1e6))[:1]] for size in MEGAPIXELS}
    with serving({"DETECTOR_SHADOW_SHARE": "0", "DETECTOR_COPIES": "onnx"}) as server:
        judged(server)
        for size, found in asked(server, photos, args.rounds).items():
            best = min(found["native"], found["onnx"])
            told = ", ".join(f"{name} {1000 * seconds:.1f} ms" for name, seconds in found.items())
            print(f"{size} MP, p50: {told}; auto ÷ the faster {found['auto'] / best:.3f}")
    return 0


def judged(server: Server) -> None:
    """Wait until the copy has verdicts on all sizes that stay; says when each came, and what it is."""
    loaded, changed, known = 0.0, 0.0, dict[str, Any]()
    while len(known) < len(SIZES) or time.monotonic() < changed + STAY_S:
        time.sleep(0.1)
        try:
            told = server.model()["backends"]["onnx"]
        except httpx.TransportError:
            continue
        if told["batch_sizes"] is None and "is being compared" not in told["reason"]:
            continue
        loaded = loaded or time.monotonic()
        for size, verdict in ((told["verdict"] or {}).get("sizes") or {}).items():
            if known.get(size) != verdict:
                known[size], changed = verdict, time.monotonic()
                tell(size, verdict, changed - loaded)


def tell(size: str, verdict: dict[str, Any], seconds: float) -> None:
    """A verdict, and when it came."""
    ratios = {
        load: f"{each['value']:.2f} ({each['low']:.2f} to {each['high']:.2f})"
        for load, each in verdict["native_over_copy"].items()
    }
    print(f"{size}: {verdict['verdict']} {seconds:.1f} s after it was loaded, {ratios}", flush=True)


def asked(server: Server, photos: dict[float, list[bytes]], rounds: int) -> dict[float, dict[str, float]]:
    """By megapixels and backend: the median of the seconds that a request took."""
    seconds: dict[tuple[float, str], list[float]] = defaultdict(list)
    with server.client as client:
        for number in range(rounds):
            for size, (photo,) in photos.items():
                for backend in BACKENDS[number % 3 :] + BACKENDS[: number % 3]:
                    begun = time.perf_counter()
                    answer = client.post(f"/detect?backend={backend}", content=photo)
                    seconds[size, backend].append(time.perf_counter() - begun)
                    answer.raise_for_status()
    return {size: {name: statistics.median(seconds[size, name]) for name in BACKENDS} for size in photos}


if __name__ == "__main__":
    sys.exit(main())
