"""A conversion's report as a page for people: its shape is prepared here, app/web/report.html lays it out.

A report may be old, partial or hostile. Here lists are made lists and objects objects, whatever they were; what is left
out or odd inside them is a dash on the page; the template escapes everything.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import ChainableUndefined, Environment, PackageLoader, Template

from app.web.report_parts import parts, takes_and_gives
from app.web.report_values import (
    Data,
    as_list,
    as_number,
    as_object,
    batch_order,
    by_count,
    decimal,
    duration,
    in_bytes,
    joined,
    moment,
    ratio,
    text,
)
from converter.progress import in_words
from converter.targets import KINDS

_TITLES = {name: kind.title for name, kind in KINDS.items()}
_TONES = {"agrees": "good", "disagrees": "bad"}  # of any other verdict: "unsure"
_LEVEL = 0.02  # a ratio this near to 1 is neither faster nor slower
_UNSET = {"images": "the packaged photos", "cached_engines": "one for each batch size"}  # what None means there
_SPELT = {
    "gpu": "GPU",
    "gpus": "GPUs",
    "iou": "IoU",
    "nms": "NMS",
    "onnx": "ONNX",
    "sha256": "SHA-256",
    "tensorflow": "TensorFlow",
    "tensorrt": "TensorRT",
}
_FOR_ALL_TARGETS = {"target", "batch_sizes", "images"}  # options that matter to every copy
_FACTS_IN_WORDS = ("cut", "engines", "operations", "operations_converted", "pictures", "precision", "why")
_FACTS_IN_LISTS = ("engine_details", "converted_by_type", "operations_by_type", "operations_left", "signatures_lost")
_FACTS_ELSEWHERE = ("libraries", "model")
_SHOWN_APART = {*_FACTS_IN_WORDS, *_FACTS_IN_LISTS, *_FACTS_ELSEWHERE}


def page(report: Data) -> str:
    """The page, whole in itself: no scripts, nothing loaded from elsewhere. Takes any JSON object."""
    html = _template().render(_prepared(report))
    return html.encode("utf-8", "replace").decode("utf-8")  # JSON can hold half of a character, a response can't


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("app.web", "."),
        autoescape=True,
        finalize=text,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"decimal": decimal, "duration": duration, "items": as_list, "joined": joined}
    environment.filters |= {"moment": moment, "size": in_bytes}
    return environment.get_template("report.html")


def _prepared(report: Data) -> dict[str, Any]:
    target, identity, found = (
        report.get("target"),
        as_object(report.get("identity")),
        as_object(report.get("environment")),
    )
    agreement = _agreement(as_object(report.get("agreement")))
    return {
        "target": target,
        "kind": _TITLES.get(text(target), "Copy" if target is None else f"Copy of the kind {text(target)}"),
        "precision": as_object(identity.get("options")).get("precision"),
        "created": report.get("created"),
        "gpus": as_list(found.get("gpus")) if "gpus" in found else None,
        "batch_sizes": as_list(report.get("batch_sizes")),
        "verdict": _verdict(agreement),
        "gate": as_object(as_object(report.get("gate")).get("verdict")),
        "latency": _latency(
            {name: as_object(each) for name, each in as_object(report.get("latency")).items()}, text(target)
        ),
        "agreement": agreement,
        "converted": _converted(as_object(report.get("facts"))),
        "model": takes_and_gives(as_object(as_object(report.get("facts")).get("model"))),
        "probe": as_object(report.get("probe")),
        "steps": _steps(as_object(report.get("seconds"))),
        "sizes": {"source": report.get("source_bytes"), "made": report.get("size_bytes")},
        "identity": _pairs(identity, without={"options"}),
        "options": _options(as_object(report.get("options")), identity.get("options")),
        "environment": _pairs(found),
        "files": sorted((name, text(digest)[:12]) for name, digest in as_object(report.get("files")).items()),
    }


def _agreement(agreement: Data) -> list[dict[str, Any]]:
    rows = [{**as_object(agreement[size]), "batch_size": size} for size in sorted(agreement, key=batch_order)]
    return [{**row, "tone": _TONES.get(text(row.get("verdict")), "unsure")} for row in rows]


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
    for size in sorted({size for times in latency.values() for size in times}, key=batch_order):
        rows = _compared({name: as_object(latency[name][size]) for name in names if size in latency[name]}, target)
        own = next((row for row in rows if row["is_copy"] and row["as_native"]), None)
        groups.append({"batch_size": size, "rows": rows, "own": own, "word": _word(own["as_native"]) if own else None})
    return groups


def _compared(times: Mapping[str, Data], target: str) -> list[dict[str, Any]]:
    """The times of each backend at one batch size, beside those of native, frozen and the slowest."""
    p50s = {name: number for name, each in times.items() if (number := as_number(each.get("p50_s")))}
    slowest = max(p50s.values(), default=None)
    frozen = p50s.get("frozen") if target != "frozen" else None
    return [
        {
            **each,
            "name": name,
            "is_copy": name == target,
            "as_native": ratio(p50s.get("native"), p50s.get(name)),
            "as_frozen": ratio(frozen, p50s.get(name)),
            "of_slowest": ratio(p50s.get(name), slowest),
        }
        for name, each in times.items()
    ]


def _word(ratio: float) -> str:
    if abs(ratio - 1) <= _LEVEL:
        return "level"
    return "faster" if ratio > 1 else "slower"


def _converted(facts: Data) -> dict[str, Any]:
    """What became of the operations; facts that this file doesn't know are shown as they are."""
    left = [as_object(each) for each in as_list(facts.get("operations_left"))]
    return {
        **{name: facts.get(name) for name in _FACTS_IN_WORDS},
        "share": ratio(facts.get("operations_converted"), facts.get("operations")),
        "signatures_lost": as_list(facts.get("signatures_lost")),
        "engine_details": [as_object(each) for each in as_list(facts.get("engine_details"))],
        "by_type": by_count(facts.get("converted_by_type")),
        "left": sorted(
            ({**each, "reasons": by_count(each.get("reasons"))} for each in left),
            key=lambda each: -(as_number(each.get("count")) or 0),
        ),
        "parts": parts(facts),
        "others": _pairs({name: fact for name, fact in facts.items() if fact not in ({}, [])}, without=_SHOWN_APART),
    }


def _steps(seconds: Data) -> dict[str, Any]:
    known = {step: number for step, raw in seconds.items() if (number := as_number(raw)) is not None}
    total = sum(known.values())
    words = {step: step if in_words(step) == in_words("") else in_words(step) for step in known}
    rows = [{"words": words[step], "seconds": each, "share": ratio(each, total)} for step, each in known.items()]
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
        return joined([in_bytes(each) for each in as_list(value) or [value]])
    if name.startswith("tensorrt_") and as_list(value):
        return ".".join(map(text, as_list(value)))
    return text(value)
