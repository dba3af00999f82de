"""What was measured as medians, and as a table in a page."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import raw
from benchmarks.peers.measuring import AMONG_BROKEN, BROKEN_A_SECOND

BEGIN, END = "<!-- written by make bench-peers: -->", "<!-- end of it -->"
_HEAD = (
    *("server", "1: p50 ms", "8: answers/s", "of raw", "p50 ms", "p99 ms", "32: answers/s", "of raw", "p50 ms"),
    *("p99 ms", "256: answers/s", "p99 ms", "not answered", "failed at 1 to 32", "beside broken: answers/s", "p99 ms"),
    *("good ones failed", "memory MB", "cold start s"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A server's medians; `missing` says why it has none."""

    name: str
    figures: Mapping[str, float]
    missing: str = ""


def summary(rounds: Sequence[Mapping[str, Any]]) -> list[Row]:
    """A row for each server, the fastest at 8 connections first, those that are missing last."""
    names = dict.fromkeys(name for one in rounds for name in one["servers"])
    beside = list(zip(rounds, _ceilings(rounds), strict=True))
    rows = [_row(name, [(one, most) for one, most in beside if name in one["servers"]]) for name in names]
    return sorted(rows, key=lambda row: -row.figures.get("of raw 8", 0))


def _ceilings(rounds: Sequence[Mapping[str, Any]]) -> list[float]:
    """What the raw call gives in each round: the mean of before and after."""
    _, rates = raw.best([called for one in rounds for called in one["raw"]])
    left = iter(rates)
    return [statistics.mean(islice(left, len(one["raw"]))) for one in rounds]


def _row(name: str, rounds: Sequence[tuple[Mapping[str, Any], float]]) -> Row:
    measured = [(one, most) for one, most in rounds if "missing" not in one["servers"][name]]
    if not measured:
        return Row(name, {}, rounds[-1][0]["servers"][name]["missing"])
    each = [_figures(one["servers"][name], most) for one, most in measured]
    return Row(name, {key: statistics.median(one[key] for one in each) for key in each[0]})


def _figures(found: Mapping[str, Any], most: float) -> dict[str, float]:
    figures: dict[str, float] = {}
    for load in ("1", "8", "32", "256", "among_broken"):
        one = found[load]
        figures |= {f"rate {load}": one["rate"], f"of raw {load}": one["rate"] / most}
        figures |= {f"p50 {load}": one["p50_ms"], f"p99 {load}": one["p99_ms"]}
        figures[f"failed {load}"] = _failed(one) / max(1, one["answers"] + max(0, one["broken"] - one["not_2xx"]))
    figures["failed"] = sum(_failed(found[load]) for load in ("1", "8", "32"))
    return figures | {"memory": found["memory_mb"], "cold": found["cold_s"]}


def _failed(one: Mapping[str, Any]) -> int:
    """Requests without a 2xx; a connection that a server closes after a 500 counts once."""
    return max(int(one["not_2xx"]), int(one["broken"]))


def rendered(found: Mapping[str, Any]) -> str:
    """The table and what it is of, in Markdown."""
    rounds, machine = found["rounds"], found["machine"]
    calls = [called for one in rounds for called in one["raw"]]
    rates = ", ".join(f"{rate:.1f}" for rate in raw.best(calls)[1])
    p50_ms = raw.p50_ms(calls)
    each = Counter(name for one in rounds for name in one["servers"])
    lines = [
        f"{machine['processor'] or machine['architecture']}, {machine['cores']} cores, wrk on them; medians of",
        f"{max(each.values())} rounds, {rounds[-1]['seconds']} s for each load, at least 10 at 256 connections.",
        f"Ratios are to the raw call before and after each ({rates} pictures/s; one caller,",
        f"one picture: p50 {p50_ms:.1f} ms).",
        "",
        "![Answers a second, as a share of the raw call](results/peers.svg)",
        "",
        "The number before a column's name is that of connections. Broken: "
        f"{BROKEN_A_SECOND} cut photos a second beside {AMONG_BROKEN} connections with good ones.",
        "",
        f"| {' | '.join(_HEAD)} |",
        "|" + "---|" * len(_HEAD),
        *(_line(row) for row in summary(rounds)),
    ]
    return "\n".join(lines)


def _line(row: Row) -> str:
    if row.missing:
        return f"| {row.name} | {row.missing} |" + " |" * (len(_HEAD) - 2)
    of = row.figures
    cells = [f"{of['p50 1']:.1f}"]
    for load in ("8", "32"):
        cells += [f"{of[f'rate {load}']:.1f}", f"{of[f'of raw {load}']:.2f}"]
        cells += [f"{of[f'p50 {load}']:.0f}", f"{of[f'p99 {load}']:.0f}"]
    cells += [f"{of['rate 256']:.1f}", f"{of['p99 256']:.0f}", f"{of['failed 256']:.0%}", f"{of['failed']:.0f}"]
    cells += [f"{of['rate among_broken']:.1f}", f"{of['p99 among_broken']:.0f}", f"{of['failed among_broken']:.0%}"]
    cells += [f"{of['memory']:.0f}", f"{of['cold']:.1f}"]
    return f"| {row.name} | {' | '.join(cells)} |"


def put_into(page: Path, text: str) -> None:
    """Write what stands between the two marks of a page anew."""
    before, _, rest = page.read_text().partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}")
