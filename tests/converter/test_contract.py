"""Options and identities: what is allowed, what makes a difference, how each failure ends."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from converter import (
    BadOptions,
    ConversionFailed,
    ConverterError,
    CopyRefused,
    TargetUnavailable,
    UnusableModel,
    stored,
    targets,
)
from converter.contract import PRECISIONS, STRATEGIES, Identity, Options
from converter.description import Declared
from tests.support.converter.reports import IDENTITY

ONE_OR_MORE = "the minimum segment size, the workspace and the cached engines must be 1 or more"
SIZES = "batch sizes must be whole numbers from 1 up, at least one of them"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"precision": "FP8"}, "precision 'FP8' is not one of FP32, FP16, INT8"),
        ({"precision": "fp16"}, "precision 'fp16' is not one of FP32, FP16, INT8"),
        (
            {"profile_strategy": "Best"},
            "profile strategy 'Best' is not one of Optimal, Range, Range+Optimal, ImplicitBatchModeCompatible",
        ),
        ({"batch_sizes": ()}, SIZES),
        ({"batch_sizes": (0, 8)}, SIZES),
        ({"batch_sizes": (8, -1)}, SIZES),
        ({"minimum_segment_size": 0}, ONE_OR_MORE),
        ({"workspace_bytes": 0}, ONE_OR_MORE),
        ({"cached_engines": -1}, ONE_OR_MORE),
        ({"precision": "INT8"}, "INT8 is calibrated on real pictures: name a folder of them"),
        (
            {"save_engines": False},
            "without saved engines there is nothing to run unless engines may be built at run time",
        ),
        ({"denylist": ("Conv2D", "no,op", "")}, "'no,op', '' can't be the type of an operation, like Conv2D"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_a_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadOptions) as refusal:
        Options(**options)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    "options",
    [
        *({"precision": each, "images": Path("pictures")} for each in PRECISIONS),
        *({"profile_strategy": each} for each in STRATEGIES),
        {"precision": "INT8", "calibration": False},
        {"save_engines": False, "build_at_run_time": True},
        {"cached_engines": 1},
        {"denylist": ("Conv2D", "_FusedConv2D")},
    ],
)
def test_all_else_is_allowed(options: dict[str, Any]) -> None:
    Options(**options)


def test_a_precision_that_a_kind_of_copy_can_not_have_is_refused() -> None:
    options = Options(target="onnx", precision="INT8", images=Path("pictures"))
    with pytest.raises(BadOptions, match=r"^an ONNX copy is in FP32 or FP16, not in INT8$"):
        targets.kind("onnx").check_options(options)
    targets.kind("trt").check_options(replace(options, target="trt"))
    targets.kind("frozen").check_options(replace(options, target="frozen"))  # precision does not shape it


def test_the_defaults_are_the_mission() -> None:
    options = Options()
    assert (options.target, options.precision, options.batch_sizes) == ("trt", "FP32", (1, 8))
    assert (options.save_engines, options.build_at_run_time) == (True, False)


def test_options_come_back_from_json() -> None:
    options = Options(precision="INT8", images=Path("some/pictures"), batch_sizes=(2, 4), denylist=("Exp", "Pad"))
    assert stored.from_json(Options, stored.to_json(options), "options") == options


@pytest.mark.parametrize(
    ("options", "folder"),
    [
        ({"precision": "INT8"}, Path("pictures")),
        ({"precision": "INT8", "calibration": False}, None),
        ({"precision": "FP16"}, None),
    ],
)
def test_pictures_shape_a_copy_that_is_calibrated_on_them(options: dict[str, Any], folder: Path | None) -> None:
    assert Options(images=Path("pictures"), **options).calibrated_on == folder


def test_each_kind_of_failure_has_an_exit_code_and_a_code_of_its_own() -> None:
    kinds: list[type[ConverterError]] = [BadOptions, UnusableModel, TargetUnavailable, ConversionFailed, CopyRefused]
    assert set(kinds) == set(ConverterError.__subclasses__())
    assert [kind.exit_code for kind in kinds] == [2, 3, 4, 5, 6]
    assert len({kind.code for kind in kinds}) == len(kinds)


# What a copy depends on


def test_every_option_of_tftrt_shapes_a_copy_and_of_the_others_only_what_it_is_calibrated_on() -> None:
    of_tftrt = {item.name for item in fields(Options)} - {"target", "images"} - {item.name for item in fields(Declared)}
    assert set(targets.KINDS["trt"].shaped_by) == of_tftrt | {"calibrated_on"}
    assert targets.KINDS["frozen"].shaped_by == ()
    assert targets.KINDS["onnx"].shaped_by == ("precision",)


def test_the_same_identity_has_no_mismatch() -> None:
    assert IDENTITY.mismatch(replace(IDENTITY, options=dict(IDENTITY.options))) is None


@pytest.mark.parametrize(
    ("field", "other", "made_with", "here"),
    [
        ("source_sha256", "cd" * 32, "abababababab…", "cdcdcdcdcdcd…"),
        ("tensorflow", "2.15.0", "2.14.1", "2.15.0"),
        ("tensorflow_build", "v2.14.1 cpu", "v2.14.0-10-g…", "v2.14.1 cpu"),
        ("tensorrt", "8.6.1", "8.5.3", "8.6.1"),
        ("tensorrt", None, "8.5.3", "none"),
        ("gpu", "NVIDIA L4", "NVIDIA H100 80GB HBM3", "NVIDIA L4"),
        ("compute_capability", "8.9", "9.0", "8.9"),
        ("format", 2, "1", "2"),
    ],
)
def test_a_mismatch_names_the_field_and_both_values(field: str, other: Any, made_with: str, here: str) -> None:
    now = replace(IDENTITY, **{field: other})
    assert IDENTITY.mismatch(now) == f"it was made with {field} {made_with}, here it is {here}"


def test_every_field_of_an_identity_counts() -> None:
    for field in fields(Identity):
        other: Any = {"precision": "FP8"} if field.name in ("options", "libraries") else "other"
        assert IDENTITY.mismatch(replace(IDENTITY, **{field.name: other})) is not None


@pytest.mark.parametrize(
    ("option", "other", "made_with", "here"),
    [
        ("precision", "FP32", "FP16", "FP32"),
        ("batch_sizes", (1, 8), "1,4", "1,8"),
        ("minimum_segment_size", 3, "20", "3"),
        ("workspace_bytes", 1 << 30, "4294967296", "1073741824"),
        ("cached_engines", 5, "None", "5"),
        ("dynamic_shape", False, "True", "False"),
        ("profile_strategy", "Range", "Optimal", "Range"),
        ("calibration", False, "True", "False"),
        ("build_at_run_time", True, "False", "True"),
        ("denylist", ("Exp", "Pad"), "", "Exp,Pad"),
    ],
)
def test_a_mismatch_names_the_option_and_both_values(option: str, other: Any, made_with: str, here: str) -> None:
    wanted = replace(Options(precision="FP16", batch_sizes=(1, 4)), **{option: other})
    now = replace(IDENTITY, options=wanted.text(targets.KINDS["trt"].shaped_by))
    assert IDENTITY.mismatch(now) == f"it was made with {option} {made_with}, here it is {here}"


def test_an_option_that_another_version_had_or_lacked_is_a_mismatch() -> None:
    fewer = {name: text for name, text in IDENTITY.options.items() if name != "denylist"}
    assert IDENTITY.mismatch(replace(IDENTITY, options=fewer)) == "it was made with denylist , here it is none"
    assert replace(IDENTITY, options=fewer).mismatch(IDENTITY) == "it was made with denylist none, here it is "
