"""The points as tables in Markdown and a plot, put into a page between two markers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu import plot
from benchmarks.gpu.parts import BACKENDS, MODELS, OWN, is_layout
from benchmarks.gpu.points import Point, read

BEGIN, END = "<!-- bench-gpu: begin -->", "<!-- bench-gpu: end -->"
PLOT = "gpu.svg"
TITLES = {"retina": "RetinaNet-R50-FPN 640", "bundled": "YOLOX-Nano, bundled", OWN: "A model of one's own"}
Cells = Mapping[str, Callable[[Point], object]]
_FEW_SLOW = 10  # times the median; the share that is slower is told by the 99.9th percentile


def render(points: Path, page: Path) -> None:
    """Write the tables between the page's markers, and the plot beside the page."""
    found = sorted(read(points), key=_place)
    text = page.read_text(encoding="utf-8")
    before, begins, rest = text.partition(BEGIN)
    _, ends, after = rest.partition(END)
    if not (begins and ends):
        raise ValueError(f"{page.name} lacks the line {BEGIN} or {END}")
    page.write_text(f"{before}{BEGIN}\n{tables(found)}\n{END}{after}", encoding="utf-8")
    page.with_name(PLOT).write_text(plot.svg(_lines(found)), encoding="utf-8")


def tables(points: Sequence[Point]) -> str:
    """All of it, under a heading for each model and run, the newest run first: ratios are of one run."""
    parts = []
    for model in MODELS:
        for run in sorted({_run(each) for each in points}, reverse=True):
            own = [each for each in points if each["key"]["model"] == model and _run(each) == run]
            parts += [_heading(model, run, own), *filter(None, _of_one(own))] if own else []
    picture = f"![Pictures a second by connections]({PLOT})"
    return "\n\n".join(["", picture, *parts, ""])


def _heading(model: str, run: str, points: Sequence[Point]) -> str:
    devices = {each["device"] for each in points if each.get("device", "CPU") != "CPU"} or {"CPU"}
    precisions = {each["key"]["precision"] for each in points}
    when = f", {run}" if run else ""
    return f"### {TITLES[model]}: {', '.join(sorted(devices))}, {'/'.join(sorted(precisions))} copies{when}"


def _run(one: Point) -> str:
    return str(one["key"].get("run", ""))


def _of_one(points: Sequence[Point]) -> Iterable[str]:
    usual = [each for each in _taken(points, "http") if not each["key"]["settings"]]
    natives = {_connections(each): each["per_s"] for each in usual if each["key"]["backend"] == "native"}
    raw = [each for each in points if is_layout(each["key"]["step"])]
    best: dict[tuple[str, str], float] = {}
    for each in raw:
        best[_who(each)] = max(each["per_s"], best.get(_who(each), 0.0))
    ratios: Cells = {
        "÷ native": lambda one: _over(one, natives.get(_connections(one))),
        "÷ best direct": lambda one: _over(one, best.get(_who(one))),
    }
    yield _table(_taken(points, "http"), {**_WHO, **ratios, **_HTTP})
    yield _titled("Called directly, callers × batch:", _table(raw, {**_WHO, **_RAW}))
    yield _titled("Batch sizes of one caller:", _table(_taken(points, "orders"), {**_WHO, **_ORDERS}))
    yield _titled("Callers at once, against each photo alone:", _table(_taken(points, "mixed"), {**_WHO, **_MIXED}))
    yield _titled("Against native, photos of several sizes:", _table(_taken(points, "agreement"), _AGREEMENT))
    ready = [each for step in ("served", "raw ready", "beside") for each in _taken(points, step)]
    yield _titled("Workers once warm:", _table(ready, {**_WHO, **_READY}))
    yield _titled("Copies made:", _table(_taken(points, "build"), {**_WHO, **_BUILD}))


def _table(points: Sequence[Point], cells: Cells) -> str:
    if not points:
        return ""
    rows = [[str(cell(each)) for cell in cells.values()] for each in points]
    return "\n".join(f"| {' | '.join(row)} |" for row in (list(cells), ["---"] * len(cells), *rows))


def _titled(title: str, table: str) -> str:
    return f"{title}\n\n{table}" if table else ""


def _taken(points: Sequence[Point], step: str) -> list[Point]:
    return [each for each in points if each["key"]["step"] == step]


def _connections(one: Point) -> int:
    return int(one["key"]["connections"])


def _who(one: Point) -> tuple[str, str]:
    return one["key"]["backend"], _settings(one)


def _over(one: Point, other: float | None) -> str:
    return f"{one['per_s'] / other:.2f}" if other else ""


def _place(one: Point) -> tuple[Any, ...]:
    key = one["key"]
    backend = key.get("of", key["backend"])
    at = BACKENDS.index(backend) if backend in BACKENDS else len(BACKENDS)
    return (at, _settings(one), key.get("connections", 0), key.get("batch", 0), key["step"])


def _settings(one: Point) -> str:
    said = one["key"]["settings"].items()
    return ", ".join(f"{name.removeprefix('DETECTOR_').lower()} {value}" for name, value in said)


def _figure(name: str) -> Callable[[Point], object]:
    return lambda one: "" if one.get(name) is None else one[name]


def _fast(one: Point) -> str:
    return "yes" if one["p999_ms"] <= _FEW_SLOW * one["p50_ms"] else "no"


def _mib(one: Point) -> object:
    held = one.get("gpu_memory_bytes")
    return "" if held is None else held >> 20


_WHO: Cells = {"backend": lambda one: one["key"].get("of", one["key"]["backend"]), "settings": _settings}
_HTTP: Cells = {
    "connections": _connections,
    "seconds": lambda one: one["key"]["seconds"],
    "pictures/s": _figure("per_s"),
    "p50 ms": _figure("p50_ms"),
    "p99 ms": _figure("p99_ms"),
    "99.9 % within 10 × p50": _fast,
    "failed": lambda one: one["not_2xx"] + one["broken"],
    "batch": _figure("batch"),
    "queue ms": _figure("queue_ms"),
    "infer ms": _figure("infer_ms"),
    "API cores": _figure("api_cores"),
    "API ms": _figure("api_cpu_ms"),
    "worker cores": _figure("worker_cores"),
    "worker ms": _figure("worker_cpu_ms"),
    "worker MiB": _figure("worker_gpu_mib"),
    "card MiB": _figure("gpu_used_mib"),
}
_RAW: Cells = {
    "layout": lambda one: one["key"]["step"],
    "pictures/s": _figure("per_s"),
    "p50 ms": _figure("p50_ms"),
    "slowest ms": _figure("slowest_ms"),
    "cores": _figure("cores"),
}
_ORDERS: Cells = {
    "calls": _figure("calls"),
    "random: slowest ms": _figure("random_slowest_ms"),
    "p50 ms": _figure("random_p50_ms"),
    "falling: slowest ms": _figure("falling_slowest_ms"),
    "random ÷ falling": _figure("ratio"),
}
_MIXED: Cells = {
    "callers": _figure("callers"),
    "pictures": _figure("pictures"),
    "verdict": _figure("verdict"),
    "": _figure("reason"),
}
_AGREEMENT: Cells = {
    "copy": lambda one: one["key"]["of"],
    "batch": lambda one: one["key"]["batch"],
    "verdict": _figure("verdict"),
    "": _figure("reason"),
}
_READY: Cells = {
    "called": lambda one: {"served": "served", "beside": "beside others"}.get(one["key"]["step"], "directly"),
    "batch sizes": lambda one: ", ".join(map(str, one.get("batch_sizes", ()))),
    "in flight": _figure("batches_in_flight"),
    "load s": _figure("load_seconds"),
    "warm s": _figure("warm_seconds"),
    "GPU MiB": _mib,
}
_BUILD: Cells = {"batch sizes": lambda one: one["key"]["sizes"], "seconds": _figure("seconds")}


def _lines(points: Sequence[Point]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """For the plot, by model and backend: connections and pictures a second of its newest run without settings."""
    usual = [one for one in _taken(points, "http") if not _settings(one)]
    newest: dict[tuple[str, str], str] = {}
    for one in usual:
        newest[_line(one)] = max(_run(one), newest.get(_line(one), ""))
    lines: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for one in usual:
        if _run(one) == newest[_line(one)]:
            model, backend = _line(one)
            lines.setdefault(TITLES[model], {}).setdefault(backend, []).append((_connections(one), one["per_s"]))
    return lines


def _line(one: Point) -> tuple[str, str]:
    return one["key"]["model"], one["key"]["backend"]
