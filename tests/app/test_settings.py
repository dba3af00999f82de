from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from app.__main__ import main
from app.api.parameters import Parameters
from app.misspelt import misspelt
from app.model_folder import find
from app.settings import PREFIX, Settings, WrongSetting, bundled_model
from tests.support.places import ROOT

TOKEN = ROOT / "tests" / "data" / "token.txt"
# Of every setting: a text that says it, and what it then is. None of them is the default.
VALUES: dict[str, tuple[str, Any]] = {
    "model": ("/models/street", Path("/models/street")),
    "signature": ("detect", "detect"),
    "input_scale": ("0..1", "0..1"),
    "input_fit": ("pad", "pad"),
    "boxes": ("cxcywh@320x640+pad", "cxcywh@320x640+pad"),
    "outputs": ("rows=output_0", "rows=output_0"),
    "nms_iou": ("0.5", 0.5),
    "nms_count": ("300", 300),
    "labels": ("/models/names.txt", Path("/models/names.txt")),
    "label_offset": ("0", 0),
    "bind": ("0.0.0.0:80", "0.0.0.0:80"),
    "cache": ("/var/cache/copies", Path("/var/cache/copies")),
    "copies": ("frozen", ("frozen",)),
    "startup_conversion": ("off", "off"),
    "precision": ("FP16", "FP16"),  # INT8 needs pictures, too
    "calibration_images": ("/photos/streets", Path("/photos/streets")),
    "token": ("open sesame", SecretStr("open sesame")),
    "admin_token": ("secret", SecretStr("secret")),
    "token_file": (str(TOKEN), SecretStr("of a file")),
    "admin_token_file": (str(TOKEN), SecretStr("of a file")),
    "gate_images": ("/photos/gate", Path("/photos/gate")),
    "gate_matched": ("0.9", 0.9),
    "gate_mean_iou": ("0.9", 0.9),
    "gate_score_diff": ("0.1", 0.1),
    "gate_speedup": ("1.5", 1.5),
    "gate_seconds": ("2.5", 2.5),
    "shadow_share": ("0.2", 0.2),
    "rollback_share": ("0.05", 0.05),
    "rollback_window": ("50", 50),
    "max_batch": ("16", 16),
    "batches_in_flight": ("3", 3),
    "replicas": ("2", 2),
    "batch_sizes": ("4, 1,2", (1, 2, 4)),
    "gpu_memory_mib": ("8000", 8000),
    "onnx_tensorrt": ("true", True),
    "queue_limit": ("10", 10),
    "timeout_seconds": ("2.5", 2.5),
    "allowed_hosts": ("Detector., .Example.com", ("detector", ".example.com")),
    "allowed_origins": ("HTTPS://App.example.com/,*", ("https://app.example.com", "*")),
    "root_path": ("/detector/", "/detector"),
    "grpc_bind": ("127.0.0.1:8001", "127.0.0.1:8001"),
    "docs": ("false", False),
    "verify": ("true", True),
    "child_environment": ("JAX_PLATFORMS,HF_HOME", ("JAX_PLATFORMS", "HF_HOME")),
    "max_body_bytes": ("1000", 1000),
    "bodies_bytes": ("1000", 1000),
    "max_pixels": ("1000000", 1_000_000),
    "orientation": ("stored", "stored"),
    "max_pixels_in_flight": ("40000000", 40_000_000),
    "connections": ("100", 100),
    "keep_alive_seconds": ("5", 5.0),
    "request_seconds": ("3", 3.0),
    "load_seconds": ("60", 60.0),
    "convert_seconds": ("120", 120.0),
    "convert_memory_mib": ("4096", 4096),
    "drain_seconds": ("0", 0.0),
    "hang_seconds": ("2.5", 2.5),
    "log_level": ("debug", "debug"),
    "log_format": ("json", "json"),
    "request_log": ("json", "json"),
}
# A wrong value, and words that the sentence about it must have.
WRONG = {
    "bind": ("8000 please", "is not an address and a port, like 127.0.0.1:8000"),
    "allowed_hosts": ("detector:8000", "give a host name without a port"),
    "allowed_origins": ("app.example.com", "give an origin as browsers do"),
    "docs": ("perhaps", "must be true or false"),
    "child_environment": ("DETECTOR_TOKEN", "is the server's own"),
    "copies": ("magic", "'trt', 'frozen' or 'onnx'"),
    "startup_conversion": ("later", "background"),
    "precision": ("INT16", "'FP32', 'FP16' or 'INT8'"),
    "input_scale": ("0..2", "'0..255', '0..1', '-1..1' or 'imagenet'"),
    "input_fit": ("crop", "'stretch', 'pad' or 'pad-centre'"),
    "boxes": ("yx", "with an order of yxyx, xyxy, xywh, cxcywh"),
    "outputs": ("boxes:output_0", "is not one of boxes, scores, "),
    "nms_iou": ("1.5", "less than or equal to 1"),
    "nms_count": ("0", "greater than or equal to 1"),
    "max_batch": ("many", "integer"),
    "batches_in_flight": ("0", "greater than or equal to 1"),
    "replicas": ("65", "less than or equal to 64"),
    "batch_sizes": ("1,16", "16 is more than DETECTOR_MAX_BATCH, 8"),
    "gate_matched": ("0", "greater than 0"),
    "gate_mean_iou": ("0.4", "greater than or equal to 0.5"),
    "gate_score_diff": ("2", "less than or equal to 1"),
    "gate_speedup": ("0", "greater than 0"),
    "gate_seconds": ("0", "greater than 0"),
    "shadow_share": ("2 %", "number"),
    "rollback_share": ("0", "greater than 0"),
    "rollback_window": ("19", "greater than or equal to 20"),
    "queue_limit": ("0", "greater than or equal to 1"),
    "timeout_seconds": ("-1", "greater than 0"),
    "max_body_bytes": ("1e9 bytes", "integer"),
    "max_pixels": ("0", "greater than or equal to 1"),
    "load_seconds": ("soon", "number"),
    "convert_seconds": ("0", "greater than 0"),
    "convert_memory_mib": ("0", "greater than or equal to 1"),
    "drain_seconds": ("-5", "greater than or equal to 0"),
    "hang_seconds": ("0", "greater than 0"),
    "log_level": ("loud", "info"),
    "log_format": ("xml", "'text' or 'json'"),
    "request_log": ("yes", "'off', 'text' or 'json'"),
}


def test_the_table_has_every_setting() -> None:
    assert set(VALUES) == set(Settings.model_fields)


@pytest.mark.parametrize("name", VALUES)
def test_a_variable_sets_it(name: str) -> None:
    text, value = VALUES[name]
    assert getattr(Settings.from_env({PREFIX + name.upper(): text}), name) == value
    assert getattr(Settings.from_env({}), name) != value


@pytest.mark.parametrize("name", VALUES)
def test_an_option_wins_over_the_variable(name: str) -> None:
    text, value = VALUES[name]
    other = {**{name: wrong for name, (wrong, _) in WRONG.items()}, "model": "/other"}.get(name, "other")
    assert getattr(Settings.from_env({PREFIX + name.upper(): other}, {name: text}), name) == value


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("by_option", [False, True], ids=["variable", "option"])
def test_a_wrong_value_is_a_sentence_that_names_it(name: str, by_option: bool) -> None:
    text, says = WRONG[name]
    called = f"--{name.replace('_', '-')}" if by_option else PREFIX + name.upper()
    with pytest.raises(WrongSetting) as caught:
        Settings.from_env({} if by_option else {called: text}, {name: text} if by_option else {})
    sentence = str(caught.value)
    assert sentence.startswith(f"{called}: ")
    assert says in sentence
    assert text in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("text", "copies"),
    [("", ()), (",", ()), ("trt", ("trt",)), (" frozen , trt ", ("frozen", "trt")), ("trt,", ("trt",))],
)
def test_copies_are_a_list_with_commas(text: str, copies: tuple[str, ...]) -> None:
    assert Settings.from_env({"DETECTOR_COPIES": text}).copies == copies


@pytest.mark.parametrize("pictures", [{}, {"DETECTOR_CALIBRATION_IMAGES": ""}], ids=["not set", "set to nothing"])
def test_int8_needs_pictures(pictures: dict[str, str]) -> None:
    with pytest.raises(WrongSetting) as caught:
        Settings.from_env({"DETECTOR_PRECISION": "INT8", **pictures})
    needed = "DETECTOR_PRECISION=INT8 needs a folder of JPEG files to calibrate on (it is None)"
    assert str(caught.value) == f"DETECTOR_CALIBRATION_IMAGES: {needed}"


def test_int8_with_pictures_is_well() -> None:
    settings = Settings.from_env({"DETECTOR_PRECISION": "INT8", "DETECTOR_CALIBRATION_IMAGES": "photos"})
    assert (settings.precision, settings.calibration_images) == ("INT8", Path("photos"))


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().max_batch = 1  # type: ignore[misc]  # it must not work


def test_every_setting_is_described() -> None:
    assert all((field.description or "").endswith(".") for field in Settings.model_fields.values())


def test_the_default_model_is_the_bundled_one() -> None:
    model = find(Settings.from_env({}).model)
    assert (model.name, model.version, model.labels[18]) == ("yolox_nano", "1", "dog")
    assert bundled_model().is_absolute()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DETECTOR_MAX_BACH", "DETECTOR_MAX_BATCH"),
        ("DETECTOR_ADMIN_TOKENS", "DETECTOR_ADMIN_TOKEN"),
        ("DETECTOR_QUEUELIMIT", "DETECTOR_QUEUE_LIMIT"),
        ("DETECTOR_MODELS", "DETECTOR_MODEL"),
    ],
)
def test_a_misspelt_name_is_told(name: str, meant: str) -> None:
    assert misspelt({name: "1", "HOME": "/root"}) == [f"{name} is not a setting; did you mean {meant}?"]


def test_what_kubernetes_sets_for_a_service_called_detector_is_no_misspelling() -> None:
    port = "DETECTOR_PORT_8000_TCP"
    service = ["DETECTOR_PORT", "DETECTOR_SERVICE_HOST", "DETECTOR_SERVICE_PORT", "DETECTOR_SERVICE_PORT_HTTP"]
    assert misspelt(dict.fromkeys([*service, port, f"{port}_ADDR", f"{port}_PORT", f"{port}_PROTO"], "1")) == []


def test_settings_themselves_are_no_misspelling() -> None:
    assert misspelt({PREFIX + name.upper(): "" for name in Settings.model_fields}) == []


def test_a_wrong_option_ends_the_command_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--max-batch", "many"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("serve: --max-batch: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.parametrize("name", VALUES)
def test_the_help_has_every_setting_and_no_option_for_a_token(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    text = capsys.readouterr().out
    assert (f"--{name.replace('_', '-')} " in text) == ("token" not in name)
    assert PREFIX + name.upper() in text


def test_the_help_of_detect_has_the_defaults_of_the_api(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["detect", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert f"from 0 to 1 (default: {Parameters.model_fields['threshold'].default})" in text
    assert f"(default: {Parameters.model_fields['backend'].default})" in text


def test_the_help_has_the_values_and_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "--max-batch N Maximum number of pictures in one call" in text
    assert "Default: `8`. [DETECTOR_MAX_BATCH]" in text
    assert "--startup-conversion background|blocking|off " in text
    assert "Default: the bundled model. [DETECTOR_MODEL]" in text
    assert "--docs true|false " in text
    assert "Copies: --cache PATH " in text
