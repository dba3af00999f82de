"""The latencies of a model and its copies as a table in Markdown, with whether they agree."""

from collections.abc import Mapping, Sequence

from converter.comparison import agreement, matching
from converter.comparison.probe import Probed
from converter.tolerance import Tolerance

_COLUMNS = ("first_s", "mean_s", "p50_s", "p95_s", "p99_s")


def table(probed: Mapping[str, Probed], sizes: Sequence[int]) -> str:
    """A line for each batch size and each of `probed`, of which `native` is one."""
    lines = [
        "| backend | batch | first ms | mean ms | p50 ms | p95 ms | p99 ms | native ÷ it, p50 | agrees with native |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for size in map(str, sizes):
        for name, one in probed.items():
            figures = " | ".join(f"{1000 * one.latency[size][key]:.2f}" for key in _COLUMNS)
            ratio = probed["native"].latency[size]["p50_s"] / one.latency[size]["p50_s"]
            lines.append(f"| {name} | {size} | {figures} | {ratio:.2f} | {_agreed(probed['native'], one, size)} |")
    return "\n".join(lines)


def _agreed(native: Probed, other: Probed, size: str) -> str:
    limits = Tolerance()
    pairs = zip(native.detections[size], other.detections[size], strict=True)
    verdict = agreement.total(matching.compare(ours, theirs, limits) for ours, theirs in pairs).verdict(limits)
    return f"{verdict.word}: {verdict.reason}"
