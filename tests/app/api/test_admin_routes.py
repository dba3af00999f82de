"""Conversions over HTTP. The model here is no real one, so the children that start are ended before they load it."""

from typing import Any

import pytest

from tests.app.api.conftest import Api, Start, assert_is_error

pytestmark = pytest.mark.anyio


@pytest.fixture
async def api(start: Start) -> Api:
    running = await start(admin_token="sesame", max_batch=4)
    await running.ready()
    running.client.headers["Authorization"] = "Bearer sesame"
    return running


async def convert(api: Api, **options: Any) -> dict[str, Any]:
    """The job that a conversion became."""
    response = await api.client.post("/convert", json=options)
    assert response.status_code == 202, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_a_conversion_is_a_job_that_can_be_followed(api: Api) -> None:
    job = await convert(api, target="frozen")
    assert job["state"] == "running"
    assert (job["target"], job["precision"], job["batch_sizes"]) == ("frozen", "FP32", [1, 4])
    assert (job["reason"], job["finished"], job["report"], job["log"]) == ("", None, None, [])
    again = (await api.client.get(f"/convert/jobs/{job['id']}")).json()
    assert again["id"] == job["id"]
    assert [listed["id"] for listed in (await api.client.get("/convert/jobs")).json()] == [job["id"]]
    assert await api.metric("detector_conversion_in_progress") == 1


async def test_the_same_options_are_202_with_the_running_job(api: Api) -> None:
    first = await convert(api, target="frozen", batch_sizes=[4, 1, 4])
    assert (await convert(api, target="frozen"))["id"] == first["id"]


@pytest.mark.parametrize(
    "other",
    [{}, {"target": "trt"}, {"target": "frozen", "batch_sizes": [2]}, {"target": "frozen", "precision": "FP16"}],
)
async def test_other_options_are_409(other: dict[str, Any], api: Api) -> None:
    job = await convert(api, target="frozen")
    response = await api.client.post("/convert", json=other)
    assert job["id"] in assert_is_error(response, 409, "conversion_running")
    assert len((await api.client.get("/convert/jobs")).json()) == 1


async def test_what_is_left_out_is_as_at_start_up(start: Start) -> None:
    api = await start(admin_token="sesame", precision="FP16", max_batch=16)
    api.client.headers["Authorization"] = "Bearer sesame"
    job = await convert(api)
    assert (job["target"], job["precision"], job["batch_sizes"]) == ("trt", "FP16", [1, 16])


async def test_native_answers_while_a_conversion_runs(api: Api) -> None:
    await convert(api, target="frozen")
    body = (await api.client.get("/model")).json()
    assert body["active"] == "native"
