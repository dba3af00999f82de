"""GET /compare, and that it says what /model and /metrics say, whatever happens."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.api.compare_schemas import CompareAnswer
from app.api.model_schemas import ModelAnswer
from app.lanes.phase import Vacancy
from app.verdicts.verdict import WORDS
from tests.support.app import jpegs
from tests.support.app.compared import Compared, compared
from tests.support.app.comparing import verdict
from tests.support.app.pairing import add, failed, pair
from tests.support.fakes import until

pytestmark = pytest.mark.anyio

PHOTO = jpegs.photo()


@pytest.fixture
async def server(saved_model: Path) -> AsyncIterator[Compared]:
    async with compared(saved_model, shadow_share=0) as running:
        yield running


async def test_it_says_who_answers_and_by_which_rules(saved_model: Path) -> None:
    async with compared(saved_model, shadow_share=0.5, gate_speedup=1.5, gate_mean_iou=0.9) as server:
        told = await server.get("/compare")
        assert (told["backend"], told["active"], told["shadow_share"]) == ("auto", "native", 0.5)
        rules = {"threshold": 0.25, "good": 0.01, "bad": 0.05, "mean_iou": 0.9, "score_diff": 0.05, "fewest_boxes": 200}
        assert told["rules"].items() >= {**rules, "speedup": 1.5, "not_slower": 0.95}.items()
        assert told["native"] == {"state": "active", "reason": ""}
        assert set(told["copies"]) == {"frozen", "trt", "onnx"}
        assert told["answers"] == dict.fromkeys(("small", "medium", "large"), "native")
        assert told["size_classes"] == {"small": "up to 0.5 MP", "medium": "0.5 to 4 MP", "large": "over 4 MP"}
        assert (await server.detect(PHOTO)).status_code == 200
        assert (await server.get("/compare"))["traffic"] == {"small": 1, "medium": 0, "large": 0}
        assert told["copies"]["frozen"]["window"]["pairs"] == 0


async def test_latencies_are_those_of_the_histogram_by_role(server: Compared) -> None:
    await server.load(frozen=verdict("slower"))
    for backend, count in (("native", 3), ("frozen", 2)):
        for _ in range(count):
            assert (await server.detect(PHOTO, backend=backend)).status_code == 200
    server.metrics.observe_stages("native", [("infer", 0.012)], role="shadow")
    told = (await server.get("/compare"))["infer_ms"]
    assert {name: each["serving"] and each["serving"]["count"] for name, each in told.items()} == {
        "native": 3,
        "frozen": 2,
        "trt": None,
        "onnx": None,
    }
    nothing = {"p50": None, "p95": None, "p99": None}
    assert told["native"]["shadow"] == {"count": 1, "mean": 12.0, **nothing, "values": [12.0]}
    assert told["native"]["per image"]["count"] == 3
    assert told["frozen"]["shadow"] is None


async def test_the_window_and_the_worst_are_told(server: Compared) -> None:
    await server.load(frozen=verdict("slower"))
    for _ in range(12):
        server.live_pairs.add(pair(native_s=0.03, copy_s=0.02))
    server.live_pairs.add(failed(request_id="r-7"))
    told = (await server.get("/compare"))["copies"]["frozen"]["window"]
    assert (told["pairs"], told["errors"], told["agreement"]["matched"]) == (13, 1, 12)
    assert told["native_over_copy"] == {"value": 1.5, "low": 1.5, "high": 1.5, "pairs": 12}
    assert [each["request_id"] for each in told["worst"]] == ["r-7"]


async def test_the_answers_are_what_their_schemas_say(server: Compared) -> None:
    await server.load(frozen=verdict("passed"))
    add(server, good=3, failing=1)
    for path, schema in (("/compare", CompareAnswer), ("/model", ModelAnswer)):
        body = await server.get(path)
        assert schema.model_validate(body).model_dump(mode="json") == body


async def test_every_verdict_is_told_alike(server: Compared) -> None:
    await server.open("frozen")
    await server.same_everywhere()
    for word in WORDS:
        server.routing.record_verdict("frozen", verdict(word))
        model = await server.same_everywhere()
        assert model["active"] == ("frozen" if word == "passed" else "native")


async def test_every_state_is_told_alike_from_start_to_end(server: Compared) -> None:
    native, frozen = (server.routing.lanes[name].slot for name in ("native", "frozen"))
    await server.same_everywhere()
    reasons: tuple[Vacancy, ...] = ("converting", "refused", "unavailable")
    for why in reasons:
        frozen.stay_vacant(why, "of a reason")
        await server.same_everywhere()
    await server.load(frozen=verdict("passed"), trt=verdict("passed", low=1.1))
    await server.same_everywhere()
    for chosen in ("native", "trt", "auto"):
        await server.put(backend=chosen)
        await server.same_everywhere()
    add(server, bad=20)
    assert (await server.same_everywhere())["active"] == "trt"
    await server.crash("native", pause_s=0.5)
    await server.same_everywhere()
    await server.crash("trt")
    assert (await server.same_everywhere())["active"] is None
    await until(lambda: native.ready)
    assert (await server.same_everywhere())["active"] == "native"
