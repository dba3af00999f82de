"""Reports of conversions, and what a page says of one."""

import copy
import json
import re
from html.parser import HTMLParser
from typing import Any

from tests.support.places import DATA

FROZEN: dict[str, Any] = json.loads((DATA / "reports" / "frozen.json").read_text())
ONNX: dict[str, Any] = json.loads((DATA / "reports" / "onnx.json").read_text())
VOID = {"meta", "link", "br"}


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
