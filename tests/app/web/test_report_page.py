"""A conversion's report as a page: all of it is there, nothing missing breaks it."""

import copy
import json
import re
from typing import Any

import pytest

from app.web.report_page import page
from converter.contract import Report
from tests.support.app.reported import FROZEN, ONNX, Parsed, trt


def test_the_samples_are_reports() -> None:
    assert [Report.from_json(json.dumps(each)).target for each in (FROZEN, ONNX, trt())] == [
        "frozen",
        "onnx",
        "trt",
    ]


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


@pytest.mark.parametrize("report", [FROZEN, ONNX, trt()], ids=["frozen", "onnx", "trt"])
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


def test_a_frozen_copy_reads_well() -> None:
    text = Parsed(page(FROZEN)).text
    assert (
        "The copy’s graph has 987 operations. Its variables became constants; nothing else of it was changed." in text
    )
    assert "Part" not in text


def test_an_onnx_copy_reads_well() -> None:
    parsed = Parsed(page(ONNX))
    assert "ONNX copy in FP32 Made on 29 November 2026, 15:01 UTC" in parsed.text
    assert "Batch size 1, faster 1.87 times as fast as native" in parsed.text
    assert "The copy’s graph has 533 operations in 2 parts. JPEG files are decoded outside of the graph" in parsed.text
    assert parsed.cells[(at := parsed.cells.index("the network")) : at + 3] == ["the network", "ONNX Runtime", "513"]
    assert "BiasAdd 113 Sigmoid 110" in parsed.text
    assert "Signature serving_default Input image_bytes: jpeg Outputs detection_boxes, detection_scores" in parsed.text
    for odd in ("yxyx_norm:", "{", "…:", "Libraries onnx:", "Batch sizes left out", "Why none"):
        assert odd not in parsed.text


def test_what_was_left_to_tensorflow_is_told_with_its_reason() -> None:
    report = copy.deepcopy(ONNX)
    report["facts"] |= {"operations": {"network": 500, "tail": 13}, "why": {"tail": "ONNX has no counterpart for Foo"}}
    cells = Parsed(page(report)).cells
    at = cells.index("after the network")
    assert cells[at : at + 4] == ["after the network", "TensorFlow", "13", "ONNX has no counterpart for Foo"]


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
