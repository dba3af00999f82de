"""What an admin may ask of a conversion, and what of it reaches the converter. No TensorFlow runs here."""

from pathlib import Path
from typing import Any

import pytest

from tests.app.api.conftest import Admin, Api, Start, assert_is_error
from tests.support.app.converting import Programs

pytestmark = pytest.mark.anyio

PHOTOS = Path("/photos/streets")
# What is said of the model, by the settings alone.
DECLARED = ("signature", "input_scale", "input_fit", "boxes", "outputs", "nms_iou", "nms_count")
AS_AT_START = {
    "target": "trt",
    "batch_sizes": [1, 2, 4],
    "images": None,
    "precision": "FP32",
    "minimum_segment_size": 20,
    "workspace_bytes": 4 << 30,
    "cached_engines": None,
    "dynamic_shape": True,
    "profile_strategy": "Optimal",
    "calibration": True,
    "build_at_run_time": False,
    "save_engines": True,
    "denylist": [],
    **dict.fromkeys(DECLARED),
}
# What is sent, and what of it is an option then.
OPTIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"target": "frozen"}, {"target": "frozen", "batch_sizes": [1, 4]}),
    ({"batch_sizes": [8, 2, 8]}, {"batch_sizes": [2, 8]}),
    ({"precision": "FP16"}, {"precision": "FP16"}),
    ({"precision": "INT8"}, {"precision": "INT8", "images": PHOTOS.name}),
    ({"precision": "INT8", "calibration": False}, {"precision": "INT8", "images": PHOTOS.name, "calibration": False}),
    ({"minimum_segment_size": 3}, {"minimum_segment_size": 3}),
    ({"workspace_mib": 512}, {"workspace_bytes": 512 << 20}),
    ({"cached_engines": 5}, {"cached_engines": 5}),
    ({"dynamic_shape": False}, {"dynamic_shape": False}),
    ({"profile_strategy": "Range+Optimal"}, {"profile_strategy": "Range+Optimal"}),
    ({"build_at_run_time": True}, {"build_at_run_time": True}),
    ({"denylist": ["Softmax", "Conv2D", "Softmax"]}, {"denylist": ["Conv2D", "Softmax"]}),
]
ALL = {name: value for sent, _ in OPTIONS[3:] for name, value in sent.items()} | {"calibration": True}


@pytest.fixture(scope="module")
async def shared_admin(start_shared: Start) -> Admin:
    return Admin(await start_shared(admin_token="sesame", max_batch=4, calibration_images=PHOTOS))


@pytest.mark.parametrize(("sent", "becomes"), OPTIONS, ids=lambda value: "+".join(value))
async def test_an_option_reaches_the_conversion(
    sent: dict[str, Any], becomes: dict[str, Any], shared_admin: Admin
) -> None:
    job = await shared_admin.convert(**sent)
    await shared_admin.client.delete(f"/convert/jobs/{job['id']}")
    assert job["options"] == {**AS_AT_START, **becomes}
    assert job["target"] == job["options"]["target"]


async def test_all_options_reach_the_report(start: Start, programs: Programs, tmp_path: Path, street: Any) -> None:
    programs.on_a_gpu("NVIDIA H100")
    (tmp_path / "photo.jpg").write_bytes(street.data)
    admin = Admin(await start(admin_token="sesame", max_batch=4, calibration_images=tmp_path, copies=("trt",)))
    job = await admin.ended(await admin.convert(**ALL))
    assert (job["state"], job["reason"]) == ("succeeded", "")
    assert job["report"]["options"] == job["options"]
    assert {name for name, value in AS_AT_START.items() if job["options"][name] == value} == {
        "target",
        "batch_sizes",
        "calibration",
        "save_engines",
        *DECLARED,
    }


async def test_what_is_left_out_is_as_the_settings_have_it(start: Start) -> None:
    settings = {"precision": "INT8", "max_batch": 16, "calibration_images": PHOTOS}
    job = await Admin(await start(admin_token="sesame", **settings)).convert()
    assert job["options"] == AS_AT_START | {"batch_sizes": [1, 2, 4, 8, 16], "precision": "INT8", "images": PHOTOS.name}


async def test_a_frozen_copy_has_the_precision_of_its_model_whatever_the_settings_say(start: Start) -> None:
    settings = {"precision": "INT8", "calibration_images": PHOTOS}
    job = await Admin(await start(admin_token="sesame", **settings)).convert(target="frozen")
    assert (job["options"]["precision"], job["options"]["images"]) == ("FP32", None)


@pytest.mark.parametrize("target", ["trt", "frozen"])
async def test_int8_needs_pictures_unless_the_graph_has_its_own_nodes(target: str, start: Start) -> None:
    admin = Admin(await start(admin_token="sesame"))
    response = await admin.post("/convert", target=target, precision="INT8")
    sentence = assert_is_error(response, 422, "bad_parameter")
    assert sentence == "precision: INT8 is calibrated on pictures, and DETECTOR_CALIBRATION_IMAGES has no folder"
    job = await admin.convert(target=target, precision="INT8", calibration=False)
    assert job["options"]["images"] is None


async def test_a_precision_that_a_kind_never_has_is_told_before_what_it_needs(start: Start) -> None:
    response = await Admin(await start(admin_token="sesame")).post("/convert", target="onnx", precision="INT8")
    sentence = assert_is_error(response, 422, "bad_parameter")
    assert sentence == "an ONNX copy is in FP32 or FP16, not in INT8"


async def test_the_same_options_are_202_with_the_running_job(admin: Admin) -> None:
    first = await admin.convert(target="frozen", batch_sizes=[8, 1, 8])
    assert (await admin.convert(target="frozen"))["id"] == first["id"]


@pytest.mark.parametrize(
    "other",
    [{}, {"target": "trt"}, {"target": "frozen", "batch_sizes": [2]}, {"target": "frozen", "precision": "FP16"}],
)
async def test_other_options_are_409(other: dict[str, Any], admin: Admin) -> None:
    job = await admin.convert(target="frozen")
    assert job["id"] in assert_is_error(await admin.post("/convert", **other), 409, "conversion_running")
    assert len(await admin.jobs()) == 1


async def test_native_answers_while_a_conversion_runs(api: Api, admin: Admin, street: Any) -> None:
    await api.ready()
    await admin.convert(target="frozen")
    assert (await api.detect(street.data)).headers["X-Backend"] == "native"
