"""A conversion's report as a page: all of it is there, nothing in it is trusted, nothing missing breaks it."""

import copy
import json
import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from itertools import zip_longest
from typing import Any

import pytest

from app.web.report_page import page
from converter.contract import Report
from tests.support.places import DATA

FROZEN: dict[str, Any] = json.loads((DATA / "reports" / "frozen.json").read_text())
VOID = {"meta", "link", "br"}
HOSTILE = "<script>alert('1')</script>\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}{% raw %}"
ODD: list[Any] = [None, "", HOSTILE, 0, -1, 1e-320, 10**400, float("nan"), True, [], [[None]], {}, {"1": 1}, "\ud800\0"]


def times(p50_s: float) -> dict[str, float]:
    factors = {"first_s": 60, "mean_s": 1.25, "p50_s": 1, "p95_s": 2, "p99_s": 3}
    return {**{name: p50_s * factor for name, factor in factors.items()}, "runs": 40}


def trt() -> dict[str, Any]:
    """A report like that of a TF-TRT copy; its round numbers are invented."""
    facts = {
        "engines": 1,
        "operations": 1000,
        "operations_converted": 750,
        "engine_details": [
            {
                "name": "TRTEngineOp_000_000",
                "operations": 750,
                "inputs": ["float32 [-1, 416, 416, 3]"],
                "precision": "FP16",
                "profile_strategy": "Optimal",
                "built_for": [[[1, 416, 416, 3]], [[8, 416, 416, 3]]],
            }
        ],
        "converted_by_type": {"Conv2D": 83, "Const": 1248},
        "operations_left": [
            {"operation": "DecodeJpeg", "count": 1, "reasons": {"Op type DecodeJpeg is not supported.": 1}},
            {"operation": "Cast", "count": 6, "reasons": {"of int32": 2, "of bool": 4}},
        ],
        "signatures_lost": ["train"],
        "pictures": 20,
    }
    p50s = {"native": (0.03, 1.2, 2.4), "frozen": (0.02, 1.0, 2.0), "trt": (0.01, 1.2, 4.8)}
    latency = {name: dict(zip(("1", "8", "16"), map(times, each), strict=True)) for name, each in p50s.items()}
    report = copy.deepcopy(FROZEN)
    report["options"]["precision"] = "FP16"
    report["identity"] |= {"gpu": "NVIDIA L4", "options": {"precision": "FP16", "workspace_bytes": "4294967296"}}
    report["environment"] |= {"gpus": ["NVIDIA L4"], "gpu_memory_bytes": [24 << 30], "tensorrt_loaded": [8, 5, 3]}
    report["seconds"] |= {"build": 112.0}
    return report | {"target": "trt", "batch_sizes": [1, 8, 16], "facts": facts, "latency": latency}


class Parsed(HTMLParser):
    """The page's text, cells and elements; an element that is closed out of turn, or never, is an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.cells: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.open += [tag] if tag not in VOID else []
        self.cells += [""] if tag in ("td", "th") else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += [data] if "style" not in self.open else []
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data

    @property
    def text(self) -> str:
        return re.sub(r"\s+([.,])", r"\1", " ".join(" ".join(self.words).split()))

    def headings(self) -> list[str]:
        return [attrs["id"] or "" for tag, attrs in self.elements if tag in ("h2", "h3") and "id" in attrs]


def places(value: Any, path: str = "") -> Iterator[str]:
    for key, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield f"{path}{key}"
        yield from places(each, f"{path}{key}\n")


def rounds() -> Iterator[tuple[str, ...]]:
    """Places to be changed together: a part of the report alone; inside them, one of each that stands by itself."""
    below: dict[str, list[str]] = {}
    for path in places(trt()):
        part, *inside = path.split("\n")
        if not inside:
            yield (path,)
        elif "8" not in inside:  # as batch size 1
            below.setdefault("options" if part == "identity" else part, []).append(path)
    yield from (tuple(filter(None, each)) for each in zip_longest(*below.values()))


def changed(paths: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The report with another value in these places."""
    report = trt()
    for path in paths:
        inside: Any = report
        *way, last = path.split("\n")
        for key in way:
            inside = inside[int(key) if isinstance(inside, list) else key]
        inside[int(last) if isinstance(inside, list) else last] = value
    return report


@cache
def tags(markup: str) -> frozenset[str]:
    """Of a page without its plain text: many are the same then, and reading one takes longer than making it."""
    return frozenset(tag for tag, _ in Parsed(markup).elements)


def test_the_samples_are_reports() -> None:
    assert [Report.from_json(json.dumps(each)).target for each in (FROZEN, trt())] == ["frozen", "trt"]


def test_the_most_important_is_said_first() -> None:
    text = Parsed(page(trt())).text
    assert "TF-TRT copy in FP16 Made on 25 November 2026, 03:17 UTC, on NVIDIA L4." in text
    assert "It agrees with native at batch sizes 1 and 8." in text
    assert "Batch size 1, faster 3.00 times as fast as native, 2.00 times as fast as a frozen copy" in text
    assert "Batch size 8, level 1.00 times as fast as native, 0.83 times as fast as a frozen copy" in text
    assert "Batch size 16, slower 0.50 times as fast as native" in text
    assert "The gate, which decides what serves, measures again in pairs." in text


def test_a_frozen_copy_is_not_compared_with_itself() -> None:
    text = Parsed(page(FROZEN)).text
    assert "Frozen copy Made on 25 November 2026, 03:17 UTC, on a machine without a GPU that TensorFlow sees." in text
    assert "Batch size 1, faster 1.12 times as fast as native" in text
    assert "as a frozen copy" not in text
    assert "FP32" not in text  # an option without effect


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("disagrees", "It disagrees with native at batch size 8."),
        ("undecided", "Whether it agrees with native is undecided at batch size 8."),
    ],
)
def test_the_worst_verdict_is_told_with_its_reason(verdict: str, said: str) -> None:
    report = trt()
    report["agreement"]["8"] |= {"verdict": verdict, "reason": "1 of 2 boxes matched"}
    text = Parsed(page(report)).text
    assert said in text
    assert f"Batch size 8: {verdict}, 1 of 2 boxes matched." in text


@pytest.mark.parametrize("report", [FROZEN, trt()], ids=["frozen", "trt"])
def test_every_number_of_the_latency_is_in_its_table(report: dict[str, Any]) -> None:
    cells = Parsed(page(report)).cells
    for name, by_size in report["latency"].items():
        for size, measured in by_size.items():
            last = [f"{measured[key] * 1000:,.2f}" for key in ("mean_s", "p50_s", "p95_s", "p99_s")]
            row = [f"{measured['first_s'] * 1000:,.1f}", *last, f"{measured['runs']:.0f}"]
            ratio = f"{report['latency']['native'][size]['p50_s'] / measured['p50_s']:.2f}"
            label = name + (", this copy" if name == report["target"] else "")
            assert any(cells[at : at + 8] == [label, *row, ratio] for at in range(len(cells)))


def test_what_was_converted_is_told_the_most_frequent_first() -> None:
    parsed = Parsed(page(trt()))
    assert "750 of 1,000 operations (75.0 %) run in 1 TensorRT engine" in parsed.text
    assert "[1, 416, 416, 3] [8, 416, 416, 3]" in parsed.text
    assert "Const 1,248 Conv2D 83" in parsed.text
    assert "Cast 6 4 × of bool 2 × of int32 DecodeJpeg 1 Op type DecodeJpeg is not supported." in parsed.text
    assert "It does not have train." in parsed.text
    assert "the answers came from TensorRT" in parsed.text


def test_values_are_given_as_people_write_them() -> None:
    text = Parsed(page(trt())).text
    assert "building engines 112.0" in text
    assert "in total, 2 min 18 s 138.2" in text
    assert "source 3.6 MiB 3,812,929 this copy 3.7 MiB 3,854,869" in text
    assert "Workspace 4.0 GiB" in text
    assert "GPU memory 24.0 GiB" in text
    assert "TensorRT loaded 8.5.3" in text
    assert "saved_model.pb 21f45c965be4…" in text


def test_sections_without_content_are_left_out() -> None:
    headings = Parsed(page(trt())).headings()
    assert {"latency", "agreement", "converted", "engines", "left", "by-type", "probe", "files"} <= set(headings)
    assert {"engines", "left", "by-type"} & set(Parsed(page(FROZEN)).headings()) == set()
    assert Parsed(page({})).headings() == []
    assert "Signatures lost" not in page(FROZEN)


def test_a_fact_of_another_kind_of_copy_is_shown() -> None:
    report = copy.deepcopy(FROZEN) | {"target": "onnx", "facts": {"providers": {"CPU": 12}, "opset": 18}}
    text = Parsed(page(report)).text
    assert "ONNX copy Made" in text
    assert "Providers CPU: 12 Opset 18" in text


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:12])
def test_no_odd_value_in_any_place_breaks_the_page_or_gets_into_its_markup(odd: Any) -> None:
    for paths in rounds():
        html = page(changed(paths, odd))
        html.encode()
        assert tags(re.sub("""(?<=>)[^<>"']+(?=<)""", "", html)).isdisjoint({"script", "img"})
        assert not re.search(r"\b(None|nan|Undefined)\b", html)


def test_names_are_escaped_too_and_no_template_of_theirs_runs() -> None:
    report = {key: {HOSTILE: {HOSTILE: HOSTILE}} for key in FROZEN} | {"target": HOSTILE, "created": HOSTILE}
    parsed = Parsed(page(report))
    assert {tag for tag, _ in parsed.elements}.isdisjoint({"script", "img"})
    assert HOSTILE in parsed.text


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    html = page(trt())
    assert not re.search(r"https?://|src=|@import|url\(|<script|javascript:| on\w+=", html)
    assert html.count("<style>") == 1


def test_a_screen_reader_is_told_what_tables_and_sections_are() -> None:
    elements = Parsed(page(trt())).elements
    ids = [attrs["id"] for _, attrs in elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {attrs["aria-labelledby"] for _, attrs in elements if "aria-labelledby" in attrs} <= set(ids)
    tags = [tag for tag, _ in elements]
    assert [tags.count(each) for each in ("h1", "main", "title")] == [1, 1, 1]
    assert tags.count("table") == tags.count("caption") > 5
    assert all("scope" in attrs for tag, attrs in elements if tag == "th")


@pytest.mark.system
@pytest.mark.parametrize("width", [390, 768, 1200])
def test_in_a_browser_nothing_sticks_out_or_is_asked_for(width: int) -> None:
    from playwright.sync_api import sync_playwright  # the other tests need no browser

    long = trt() | {"files": {"long" * 80: "0" * 64}}  # one word
    long["facts"]["operations_left"][0] |= {"operation": "Long" * 40, "reasons": {"long" * 80: 1, "b": 2}}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": width, "height": 900})
        heard: list[str] = []
        shown.on("request", lambda request: heard.append(request.url))
        shown.on("console", lambda message: heard.append(message.text))
        shown.set_content(page(long))
        shown.locator("summary").click()
        outside = "e => !e.closest('.scroll') && e.getBoundingClientRect().right > innerWidth"
        assert shown.evaluate(f"[...document.querySelectorAll('main *')].filter({outside}).map(e => e.outerHTML)") == []
        assert shown.evaluate("document.documentElement.scrollWidth") == width
        browser.close()
    assert heard == []
