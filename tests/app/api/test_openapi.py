from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from app.api.parameters import Parameters
from app.main import create_app
from app.settings import Settings
from tests.app.api.conftest import Api, Start, assert_is_error
from tests.support.fakes import FakeStarter

pytestmark = pytest.mark.anyio

SECURED = ("/detect", "/convert", "/admin", "/v1/", "/v2", "/models/")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    made: dict[str, Any] = create_app(Settings(copies=()), start_backend=FakeStarter()).openapi()
    return made


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


async def test_the_document_is_served(api: Api, document: dict[str, Any]) -> None:
    served = (await api.client.get("/openapi.json")).json()
    assert served["paths"].keys() == document["paths"].keys()
    page = await api.client.get("/docs")
    policy = page.headers["Content-Security-Policy"]
    assert page.status_code == 200
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("parts", ["bytes=-", "bytes=5-1", "lines=1-2", "bytes=99999999999-", "bytes=0-1"])
async def test_its_files_are_served_whole_and_kept(parts: str, api: Api) -> None:
    path = "/static-offline-docs/swagger-ui.css"
    whole = await api.client.get(path, headers={"Range": parts})
    assert (whole.status_code, len(whole.content)) == (200, int(whole.headers["Content-Length"]))
    assert (await api.client.get(path, headers={"If-None-Match": whole.headers["ETag"]})).status_code == 304


async def test_page_and_document_can_be_switched_off(start: Start) -> None:
    api = await start(docs=False)
    for path in ("/docs", "/openapi.json", "/static-offline-docs/swagger-ui.css"):
        assert_is_error(await api.client.get(path), 404, "not_found")


def test_it_has_every_route(document: dict[str, Any]) -> None:
    assert {name for name, _ in operations(document)} == {
        "POST /detect",
        "GET /compare",
        "PUT /admin/backend",
        "GET /healthz",
        "GET /readyz",
        "GET /startupz",
        "GET /metrics",
        "GET /model",
        "GET /model/versions",
        "GET /v1/models/{name}",
        "GET /v1/models/{name}/metadata",
        "POST /v1/models/{name}:predict",
        "GET /v2",
        "GET /v2/health/live",
        "GET /v2/health/ready",
        "GET /v2/models/{name}",
        "GET /v2/models/{name}/ready",
        "POST /v2/models/{name}/infer",
        "POST /v1/vision/detection",
        "POST /models/{name}",
        "POST /convert",
        "GET /convert/jobs",
        "DELETE /convert/jobs",
        "GET /convert/jobs/{job_id}",
        "DELETE /convert/jobs/{job_id}",
        "GET /convert/jobs/{job_id}/report",
        "POST /admin/reload",
        "GET /samples",
        "GET /samples/{name}",
        "GET /samples/{name}/preview",
    }


def test_operations_have_short_names_of_their_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 20


def test_every_route_is_summed_up(document: dict[str, Any]) -> None:
    assert all(operation["summary"] for _, operation in operations(document))


def test_every_error_has_the_one_body(document: dict[str, Any]) -> None:
    other = [
        f"{name} {status}"
        for name, operation in operations(document)
        for status, response in operation["responses"].items()
        if int(status) >= 400
        and "/v1/vision/" not in name  # DeepStack's
        and response["content"]["application/json"]["schema"] != {"$ref": "#/components/schemas/ErrorAnswer"}
    ]
    assert other == []


def test_errors_that_a_route_can_answer_are_documented(document: dict[str, Any]) -> None:
    told = {name: {status for status in operation["responses"]} for name, operation in operations(document)}
    assert told["POST /detect"] >= {"200", "400", "401", "403", "413", "415", "422", "429", "503", "504"}
    assert told["POST /convert"] >= {"202", "400", "401", "403", "409", "413", "422"}
    for name in ("GET /convert/jobs/{job_id}", "DELETE /convert/jobs/{job_id}", "GET /convert/jobs/{job_id}/report"):
        assert told[name] >= {"200", "401", "403", "404"}
    assert told["POST /admin/reload"] >= {"200", "400", "401", "403", "409", "413", "422"}
    assert told["GET /readyz"] >= {"200", "503"}
    assert told["GET /startupz"] >= {"200", "503"}


def test_every_schema_is_one(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_example_is_what_its_schema_says(document: dict[str, Any]) -> None:
    examples = {name: schema.get("examples", []) for name, schema in document["components"]["schemas"].items()}
    assert all(examples[name] for name in ("ConvertRequest", "ReloadRequest", "AutoRequest", "ErrorAnswer"))
    for name, each in examples.items():
        for example in each:
            jsonschema.validate(example, {**document, "$ref": f"#/components/schemas/{name}"})


def test_a_picture_can_be_sent_from_the_page(document: dict[str, Any]) -> None:
    body = document["paths"]["/detect"]["post"]["requestBody"]
    assert body["required"]
    assert body["content"]["image/jpeg"]["schema"] == {"type": "string", "format": "binary"}


def test_parameters_are_described_with_their_limits(document: dict[str, Any]) -> None:
    parameters = {each["name"]: each for each in document["paths"]["/detect"]["post"]["parameters"]}
    assert set(parameters) == set(Parameters.model_fields)
    assert all(each["description"] and not each["required"] for each in parameters.values())
    assert parameters["threshold"]["schema"] == {"minimum": 0, "maximum": 1, "type": "number"}
    assert parameters["threshold"]["description"].endswith("Default: `0.25`.")
    assert not any("default" in each["schema"] for each in parameters.values()), "generated clients would send them"
    assert parameters["backend"]["schema"]["enum"] == ["auto", "native", "trt", "frozen", "onnx", "both"]


def test_routes_that_may_need_a_token_say_so(document: dict[str, Any]) -> None:
    secured = {name for name, operation in operations(document) if operation.get("security")}
    assert secured == {name for name, _ in operations(document) if name.split()[1].startswith(SECURED)}
    assert len(secured) == 20


def test_what_may_pass_has_the_time_to_wait(document: dict[str, Any]) -> None:
    ours = {name: each for name, each in operations(document) if "/v1/vision/" not in name}  # that is DeepStack's
    for name, operation in ours.items():
        for status in {"429", "504"} & operation["responses"].keys():
            assert "Retry-After" in operation["responses"][status]["headers"], f"{name} {status}"


def test_what_finds_objects_may_fail_in_the_same_ways_in_every_protocol(document: dict[str, Any]) -> None:
    own = set(document["paths"]["/detect"]["post"]["responses"])
    for path in ("/v1/models/{name}:predict", "/v2/models/{name}/infer", "/v1/vision/detection", "/models/{name}"):
        assert set(document["paths"][path]["post"]["responses"]) - {"404"} == own
