"""Each option reaches the graph that the real TF-TRT saves, on a CPU: a library that only says its version stands in.

Options that don't touch each other share a conversion, each of which takes seconds.
"""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.converter.made import program
from tests.support.standin import Done, EnginelessCopy, engineless, run_standin

pytestmark = pytest.mark.tensorflow

RUNS = {
    "small": "--precision fp16 --workspace-mib 512 --cached-engines 5 --profile-strategy Range --build-at-run-time",
    "int8": "--precision int8 --images converter/photos --batch-sizes 2,4 --minimum-segment-size 3 "
    "--profile-strategy Range+Optimal",
    "without sigmoid": "--denylist Sigmoid,Exp --minimum-segment-size 15 "
    "--profile-strategy ImplicitBatchModeCompatible",
    "static": "--static-shape --batch-sizes 1,4,8",
}
REFUSED = {
    "int8 without calibration": (
        "--precision int8 --no-calibration",
        "TF-TRT would make FP16 engines in place of INT8: "
        "without calibration the graph needs quantisation nodes, and has none",
    ),
    "no engine": (
        "--minimum-segment-size 100000",
        "TF-TRT found nothing to convert: no group of operations was large enough for an engine",
    ),
}
OUTPUTS = {"detection_boxes", "detection_classes", "detection_scores", "num_detections"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def done(standin_library: Path, root: Path) -> Mapping[str, Done]:
    """How each conversion of the bundled model ended; its copy is in the folder of that name."""
    asked = RUNS | {name: options for name, (options, _) in REFUSED.items()}

    def run(name: str) -> Done:
        return run_standin(standin_library, root / name, *asked[name].split())

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(asked, pool.map(run, asked), strict=True))


@pytest.fixture(scope="module")
def runs(done: Mapping[str, Done], root: Path, engineless_copy: EnginelessCopy) -> Mapping[str, EnginelessCopy]:
    """The copies of RUNS, and the one made with the default options."""
    return {"default": engineless_copy, **{name: engineless(root / name, done[name]) for name in RUNS}}


@pytest.mark.parametrize(
    ("run", "attribute", "value"),
    [
        ("default", "precision_mode", "FP32"),
        ("small", "precision_mode", "FP16"),
        ("int8", "precision_mode", "INT8"),
        ("default", "workspace_size_bytes", 4 << 30),
        ("small", "workspace_size_bytes", 512 << 20),
        ("default", "max_cached_engines_count", 4),  # one for each batch size
        ("static", "max_cached_engines_count", 3),
        ("small", "max_cached_engines_count", 5),
        ("default", "profile_strategy", "Optimal"),
        ("small", "profile_strategy", "Range"),
        ("int8", "profile_strategy", "Range+Optimal"),
        ("without sigmoid", "profile_strategy", "ImplicitBatchModeCompatible"),
        ("static", "profile_strategy", ""),
        ("default", "use_calibration", False),
        ("int8", "use_calibration", True),
        ("default", "_allow_build_at_runtime", False),
        ("static", "_allow_build_at_runtime", False),
        ("small", "_allow_build_at_runtime", True),
        ("default", "_use_implicit_batch", False),
        ("static", "_use_implicit_batch", True),
    ],
)
def test_an_option_is_in_each_engine(runs: Mapping[str, EnginelessCopy], run: str, attribute: str, value: Any) -> None:
    engines = runs[run].saved["attributes"]
    assert engines
    assert {name: engine[attribute] for name, engine in engines.items()} == dict.fromkeys(engines, value)


def test_a_smaller_minimum_makes_more_engines(runs: Mapping[str, EnginelessCopy]) -> None:
    operations = {run: [each["operations"] for each in copy.facts["engine_details"]] for run, copy in runs.items()}
    assert len(operations["int8"]) > len(operations["default"])
    assert min(operations["int8"]) < 20 <= min(operations["default"])


def test_what_is_denied_is_in_no_engine(runs: Mapping[str, EnginelessCopy]) -> None:
    assert {"Sigmoid", "Exp", "Conv2D"} <= set(runs["default"].saved["inside"])
    assert {"Sigmoid", "Exp", "Conv2D"} & set(runs["without sigmoid"].saved["inside"]) == {"Conv2D"}
    assert "Sigmoid" not in runs["without sigmoid"].facts["converted_by_type"]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_what_fp16_can_not_hold_is_in_no_engine(standin_library: Path, tmp_path: Path, precision: str) -> None:
    """Nor is what SiLU's own gradient needs: it is not saved."""
    model = Path(program("small_detector.py", tmp_path / "1"))
    options = ("--precision", precision, "--minimum-segment-size", "2")
    made = engineless(tmp_path / "copy", run_standin(standin_library, tmp_path / "copy", *options, model=model))
    kept = {each.partition(" ")[0] for each in made.facts.get("kept_in_fp32", ())}
    assert {"Conv2D", "Mul", "Sigmoid"} & kept == (set() if precision == "fp32" else {"Conv2D", "Mul", "Sigmoid"})
    assert made.facts["converted_by_type"]["Conv2D"] == (3 if precision == "fp32" else 2)


def test_int8_is_calibrated_on_batches_of_one_shape(runs: Mapping[str, EnginelessCopy]) -> None:
    assert runs["int8"].calibrated_on == [[2]] * 3  # each of five photos was in one
    assert runs["default"].calibrated_on == []


@pytest.mark.parametrize("run", ["default", *RUNS])
def test_the_outputs_keep_their_names(runs: Mapping[str, EnginelessCopy], run: str) -> None:
    assert set(runs[run].saved["outputs"]) == OUTPUTS


def test_the_batch_is_free_with_dynamic_shapes(runs: Mapping[str, EnginelessCopy]) -> None:
    for run in ("default", "small"):
        (engine,) = runs[run].facts["engine_details"]
        assert engine["inputs"] == ["float32 [-1, 416, 416, 3]", "float32 [-1, 1, 4]"]


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_not_be_what_was_asked_for_is_refused(done: Mapping[str, Done], root: Path, name: str) -> None:
    _, said = REFUSED[name]
    assert done[name].returncode == 1
    assert done[name].stderr.splitlines()[-1] == f"converter.contract.UnusableModel: {said}"
    assert not (root / name).exists()
