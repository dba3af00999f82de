"""The command line read and written: a server writes the options that the converter then reads."""

import re
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter import command
from converter.contract import PRECISIONS, STRATEGIES, BadOptions, Options, Order
from converter.description import FITS, SCALES
from converter.reading import EXAMPLES
from converter.tolerance import Tolerance


def read(*arguments: str) -> Options:
    return command.order(command.parser().parse_args(["model", *arguments])).options


def test_without_options_it_is_the_default() -> None:
    assert read() == Options(batch_sizes=(1, 2, 4, 8))
    assert read("--target", "frozen") == Options(target="frozen", batch_sizes=(1, 8))


@pytest.mark.parametrize("arguments", [[], ["--verify"]])
def test_whether_what_is_known_of_files_counts(arguments: list[str]) -> None:
    assert command.order(command.parser().parse_args(["model", *arguments])).verify is bool(arguments)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ("--target frozen --batch-sizes 8,1,8", {"target": "frozen", "batch_sizes": (1, 8)}),
        ("--images some/pictures --precision int8", {"images": Path("some/pictures"), "precision": "INT8"}),
        ("--minimum-segment-size 3", {"minimum_segment_size": 3}),
        ("--workspace-mib 512", {"workspace_bytes": 512 << 20}),
        ("--cached-engines 5", {"cached_engines": 5}),
        ("--static-shape", {"dynamic_shape": False}),
        ("--profile-strategy Range+Optimal", {"profile_strategy": "Range+Optimal"}),
        ("--precision INT8 --no-calibration", {"precision": "INT8", "calibration": False}),
        ("--build-at-run-time", {"build_at_run_time": True}),
        ("--build-at-run-time --portable", {"build_at_run_time": True, "save_engines": False}),
        ("--denylist Sigmoid,,Exp", {"denylist": ("Exp", "Sigmoid")}),
    ],
)
def test_each_option_is_read(arguments: str, options: dict[str, Any]) -> None:
    assert read(*arguments.split()) == Options(**{"batch_sizes": (1, 2, 4, 8), **options})


OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "target": st.sampled_from(["trt", "frozen"]),
    "batch_sizes": st.sets(st.integers(1, 999), min_size=1).map(lambda sizes: tuple(sorted(sizes))),
    "images": st.none() | st.text(st.characters(exclude_characters="\0", codec="utf-8")).map(Path),
    "signature": st.none() | st.sampled_from(["serving_default", "pictures"]),
    "input_scale": st.none() | st.sampled_from(sorted(SCALES)),
    "input_fit": st.none() | st.sampled_from(FITS),
    "boxes": st.none() | st.sampled_from(EXAMPLES),
    "outputs": st.none() | st.just("boxes=output_0,scores=output_1,classes=output_2"),
    "nms_iou": st.none() | st.floats(0.1, 1),
    "nms_count": st.none() | st.integers(1, 300),
    "precision": st.sampled_from(PRECISIONS),
    "minimum_segment_size": st.integers(1, 10**6),
    "workspace_bytes": st.integers(1, 1 << 40).map(lambda mib: mib << 20),
    "cached_engines": st.none() | st.integers(1, 999),
    "dynamic_shape": st.booleans(),
    "profile_strategy": st.sampled_from(STRATEGIES),
    "calibration": st.booleans(),
    "build_at_run_time": st.booleans(),
    "save_engines": st.booleans(),
    "denylist": st.sets(st.from_regex(r"\A_?[A-Z][A-Za-z0-9]*\Z")).map(lambda names: tuple(sorted(names))),
}


@given(st.fixed_dictionaries(OPTIONS))
def test_what_a_server_writes_is_what_the_converter_reads(asked: dict[str, Any]) -> None:
    try:
        options = Options(**asked)
    except BadOptions:
        return  # never written
    asked_for = Order(options=options, tolerance=Tolerance(matched=0.9), standard=Options())
    arguments = command.parser().parse_args(["model", "--order", asked_for.to_json(), "--batch-sizes", "3"])
    assert command.order(arguments) == asked_for


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "the order can't be understood: Invalid JSON"),
        ('{"colour": "red"}', "colour: Unexpected keyword argument"),
        (
            '{"options": {"target": "trt", "images": null, "batch_sizes": ["1"], "denylist": []}}',
            "options.batch_sizes.0: Input should be a valid integer",
        ),
        (
            '{"options": {"target": "tflite", "images": null, "batch_sizes": [1], "denylist": []}}',
            "the target 'tflite' is not one of frozen, trt, onnx",
        ),
        (
            '{"options": {"target": "onnx", "images": "a", "batch_sizes": [1], "denylist": [], "precision": "INT8"}}',
            "an ONNX copy is in FP32 or FP16, not in INT8",
        ),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(text: str, says: str) -> None:
    with pytest.raises(BadOptions, match=re.escape(says)):
        command.order(command.parser().parse_args(["model", "--order", text]))


def test_a_precision_that_a_kind_never_has_is_told_before_what_it_needs() -> None:
    with pytest.raises(BadOptions, match="an ONNX copy is in FP32 or FP16, not in INT8"):
        command.order(command.parser().parse_args(["model", "--target", "onnx", "--precision", "INT8"]))


def test_that_table_has_every_option() -> None:
    assert set(OPTIONS) == {item.name for item in fields(Options)}


def test_without_limits_it_may_take_an_hour_and_any_memory() -> None:
    limits = command.limits(command.parser().parse_args(["model"]))
    assert 3590 < limits.until - time.monotonic() <= 3600
    assert limits.memory_bytes is None


def test_limits_are_read() -> None:
    arguments = ["model", "--time-limit-seconds", "7.5", "--memory-limit-mib", "900"]
    limits = command.limits(command.parser().parse_args(arguments))
    assert 0 < limits.until - time.monotonic() <= 7.5
    assert limits.memory_bytes == 900 << 20


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: model"),
        (["model", "--batch-sizes", "eight"], "'eight' is not a list of whole numbers like 1,8"),
        (["model", "--batch-sizes", ""], "'' is not a list of whole numbers like 1,8"),
        (["model", "--precision", "fp8"], "invalid choice: 'FP8' (choose from 'FP32', 'FP16', 'INT8')"),
        (["model", "--profile-strategy", "best"], "invalid choice: 'best' (choose from 'Optimal', 'Range', "),
        (["model", "--target", "tflite"], "invalid choice: 'tflite' (choose from 'frozen', 'trt'"),
        (["model", "--workspace-mib", "1.5"], "invalid int value: '1.5'"),
        (["model", "--cached-engines", "many"], "invalid int value: 'many'"),
    ],
)
def test_what_is_no_option_ends_with_2_and_a_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as end:
        command.parser().parse_args(arguments)
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_its_help_names_every_exit_code() -> None:
    text = " ".join(command.parser().format_help().split())
    assert all(f"{code} " in text.partition("Exit codes:")[2] for code in (0, 2, 3, 4, 5, 6, 130))
