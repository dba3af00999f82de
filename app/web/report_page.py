"""A conversion's report as a page for people: its shape is prepared here, web/report.html lays it out.

A report may be old, partial or hostile. Here lists are made lists and objects objects, whatever they were; what is left
out or odd inside them is a dash on the page; the template escapes everything.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from math import isfinite, log2
from typing import Any

from jinja2 import ChainableUndefined, Environment, PackageLoader, Template, Undefined

from converter.progress import in_words
from converter.targets import KINDS

Data = Mapping[str, Any]
_TITLES = {name: kind.title for name, kind in KINDS.items()}
_TONES = {"agrees": "good", "disagrees": "bad"}  # of any other verdict: "unsure"
_LEVEL = 0.02  # a ratio this near to 1 is neither faster nor slower
_UNSET = {"images": "the packaged photos", "cached_engines": "one for each batch size"}  # what None means there
_SPELT = {"gpu": "GPU", "gpus": "GPUs", "sha256": "SHA-256", "tensorflow": "TensorFlow", "tensorrt": "TensorRT"}
_FOR_ALL_TARGETS = {"target", "batch_sizes", "images"}  # options that matter to every copy
_FACTS_IN_WORDS = ("engines", "operations", "operations_converted", "pictures")
_FACTS_IN_LISTS = ("engine_details", "converted_by_type", "operations_left", "signatures_lost")
_DASH = "–"


def page(report: Data) -> str:
    """The page, whole in itself: no scripts, nothing loaded from elsewhere. Takes any JSON object."""
    html = _template().render(_prepared(report))
    return html.encode("utf-8", "replace").decode("utf-8")  # JSON can hold half of a character, a response can't


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("app.web", "."),
        autoescape=True,
        finalize=_text,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"decimal": _decimal, "duration": _duration, "items": _items, "joined": _joined}
    environment.filters |= {"moment": _moment, "size": _size}
    return environment.get_template("report.html")


def _prepared(report: Data) -> dict[str, Any]:
    target, identity, found = report.get("target"), _data(report.get("identity")), _data(report.get("environment"))
    agreement = _agreement(_data(report.get("agreement")))
    return {
        "target": target,
        "kind": _TITLES.get(_text(target), "Copy" if target is None else f"Copy of the kind {_text(target)}"),
        "precision": _data(identity.get("options")).get("precision"),
        "created": report.get("created"),
        "gpus": _items(found.get("gpus")) if "gpus" in found else None,
        "batch_sizes": _items(report.get("batch_sizes")),
        "verdict": _verdict(agreement),
        "latency": _latency({name: _data(each) for name, each in _data(report.get("latency")).items()}, _text(target)),
        "agreement": agreement,
        "converted": _converted(_data(report.get("facts"))),
        "probe": _data(report.get("probe")),
        "steps": _steps(_data(report.get("seconds"))),
        "sizes": {"source": report.get("source_bytes"), "made": report.get("size_bytes")},
        "identity": _pairs(identity, without={"options"}),
        "options": _options(_data(report.get("options")), identity.get("options")),
        "environment": _pairs(found),
        "files": sorted((name, _text(digest)[:12]) for name, digest in _data(report.get("files")).items()),
    }


def _agreement(agreement: Data) -> list[dict[str, Any]]:
    rows = [{**_data(agreement[size]), "batch_size": size} for size in sorted(agreement, key=_place)]
    return [{**row, "tone": _TONES.get(_text(row.get("verdict")), "unsure")} for row in rows]


def _verdict(agreement: Sequence[Data]) -> dict[str, Any] | None:
    """The worst verdict of all batch sizes, and where it was found."""
    tones = {row["tone"] for row in agreement}
    tone = next((each for each in ("bad", "unsure", "good") if each in tones), None)
    sizes = [row["batch_size"] for row in agreement if row["tone"] == tone]
    return {"tone": tone, "batch_sizes": sizes, "pictures": agreement[0].get("pictures")} if tone else None


def _latency(latency: Mapping[str, Data], target: str) -> list[dict[str, Any]]:
    """By batch size: native, frozen and the copy in this order, and how many times as fast as the others each is."""
    names = [name for name in dict.fromkeys(("native", "frozen", target, *latency)) if name in latency]
    groups = []
    for size in sorted({size for times in latency.values() for size in times}, key=_place):
        times = {name: _data(latency[name][size]) for name in names if size in latency[name]}
        p50s = {name: number for name, each in times.items() if (number := _number(each.get("p50_s")))}
        rows = [
            {
                **each,
                "name": name,
                "is_copy": name == target,
                "as_native": _ratio(p50s.get("native"), p50s.get(name)),
                "as_frozen": _ratio(p50s.get("frozen"), p50s.get(name)) if target != "frozen" else None,
                "of_slowest": _ratio(p50s.get(name), max(p50s.values(), default=None)),
            }
            for name, each in times.items()
        ]
        own = next((row for row in rows if row["is_copy"] and row["as_native"]), None)
        groups.append({"batch_size": size, "rows": rows, "own": own, "word": _word(own["as_native"]) if own else None})
    return groups


def _word(ratio: float) -> str:
    if abs(ratio - 1) <= _LEVEL:
        return "level"
    return "faster" if ratio > 1 else "slower"


def _converted(facts: Data) -> dict[str, Any]:
    """What became of the operations; facts that this file doesn't know are shown as they are."""
    left = [_data(each) for each in _items(facts.get("operations_left"))]
    return {
        **{name: facts.get(name) for name in _FACTS_IN_WORDS},
        "share": _ratio(facts.get("operations_converted"), facts.get("operations")),
        "signatures_lost": _items(facts.get("signatures_lost")),
        "engine_details": [_data(each) for each in _items(facts.get("engine_details"))],
        "by_type": _counted(facts.get("converted_by_type")),
        "left": sorted(
            ({**each, "reasons": _counted(each.get("reasons"))} for each in left),
            key=lambda each: -(_number(each.get("count")) or 0),
        ),
        "others": _pairs(facts, without={*_FACTS_IN_WORDS, *_FACTS_IN_LISTS}),
    }


def _counted(counts: Any) -> list[tuple[str, Any]]:
    """Names with their numbers, the largest first."""
    return sorted(_data(counts).items(), key=lambda item: -(_number(item[1]) or 0))


def _steps(seconds: Data) -> dict[str, Any]:
    known = {step: number for step, raw in seconds.items() if (number := _number(raw)) is not None}
    total = sum(known.values())
    words = {step: step if in_words(step) == in_words("") else in_words(step) for step in known}
    rows = [{"words": words[step], "seconds": each, "share": _ratio(each, total)} for step, each in known.items()]
    return {"rows": rows, "total": total}


def _options(options: Data, shaping: Any) -> dict[str, Any]:
    """Those that shaped the copy, and the names of the rest; where the identity does not tell, all are shown."""
    shown = {*shaping, *_FOR_ALL_TARGETS} if isinstance(shaping, Mapping) else set(options)
    rest = {name for name in options if name not in shown}
    return {"rows": _pairs(options, without=rest), "idle": [_label(name).lower() for name in options if name in rest]}


def _pairs(raw: Data, *, without: Collection[str] = ()) -> list[tuple[str, str]]:
    return [(_label(name), _named(name, value)) for name, value in raw.items() if name not in without]


def _label(name: str) -> str:
    words = [_SPELT.get(word, word) for word in name.removesuffix("_bytes").split("_")]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def _named(name: str, value: Any) -> str:
    """The value as text; its name may tell its unit, or what its absence means."""
    if value is None:
        return _UNSET.get(name, "none")
    if name.endswith("_bytes"):
        return _joined([_size(each) for each in _items(value) or [value]])
    if name.startswith("tensorrt_") and _items(value):
        return ".".join(map(_text, _items(value)))
    return _text(value)


def _data(value: Any) -> Data:
    return value if isinstance(value, Mapping) else {}


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _number(value: Any) -> float | None:
    """None for what is none, or can't be shown as one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e18:
        return None
    return value


def _ratio(above: Any, below: Any) -> float | None:
    above, below = _number(above), _number(below)
    ratio = above / below if above is not None and below else None
    return ratio if ratio is not None and isfinite(ratio) and ratio >= 0 else None


def _place(size: str) -> tuple[float, str]:
    """Orders batch sizes: as numbers, anything else after them."""
    return (int(size), "") if size.isascii() and size.isdigit() and len(size) < 9 else (1e9, size)


def _text(value: Any) -> str:
    """Any value of a report for people; inside a list or an object no further ones are shown."""
    if isinstance(value, str):
        return value  # markup stays markup
    if value is None or isinstance(value, Undefined) or value != value:  # NaN differs from itself
        return _DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return _joined(f"{name}: {_inner(each)}" for name, each in value.items())
    return _joined(map(_inner, value)) if isinstance(value, list | tuple) else str(value)


def _inner(value: Any) -> str:
    return "…" if isinstance(value, Mapping | list | tuple) else _text(value)


def _joined(texts: Iterable[Any], last: str = ", ") -> str:
    """ "1, 4 and 8" with the last ` and `; "none" of nothing."""
    *first, end = [_inner(each) for each in texts] or ["none"]
    return f"{', '.join(first)}{last}{end}" if first else end


def _decimal(value: Any, digits: int = 0, scale: float = 1) -> str:
    number = _number(value)
    return _DASH if number is None else f"{number * scale:,.{digits}f}"


def _size(value: Any) -> str:
    number = _number(value)
    if number is None:
        return _text(value)
    power = min(int(log2(max(number, 1))) // 10, 3)
    return f"{number / 1024**power:,.{min(power, 1)}f} {('bytes', 'KiB', 'MiB', 'GiB')[power]}"


def _duration(value: Any) -> str:
    number = _number(value)
    if number is None or number < 100:
        return f"{_decimal(value, 1)} s"
    minutes, seconds = divmod(round(number), 60)
    return f"{minutes:,} min {seconds} s"


def _moment(value: Any) -> str:
    try:
        moment = datetime.fromisoformat(value).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return _text(value)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"
