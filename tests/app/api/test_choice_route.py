"""PUT /admin/backend: who answers `auto`, and how many requests are run again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.api.conftest import assert_is_error
from tests.support.app import jpegs
from tests.support.app.compared import Compared, compared
from tests.support.app.comparing import verdict
from tests.support.app.pairing import add, window
from tests.support.fakes import until

pytestmark = pytest.mark.anyio

PHOTO = jpegs.photo()


@pytest.fixture
async def server(saved_model: Path) -> AsyncIterator[Compared]:
    async with compared(saved_model, shadow_share=0) as running:
        await running.load(frozen=verdict("passed"))
        yield running


async def test_a_choice_holds_until_the_next(server: Compared) -> None:
    for chosen, active in (("native", "native"), ("frozen", "frozen"), ("native", "native"), ("auto", "frozen")):
        response = await server.put(backend=chosen)
        assert response.status_code == 200
        assert response.json() == {"backend": chosen, "active": active, "shadow_share": 0}
        assert (await server.detect(PHOTO)).headers["X-Backend"] == active
        told = await server.get("/compare")
        assert (told["backend"], told["active"]) == (chosen, active)


LEFT_OUT: list[tuple[dict[str, Any], str, float]] = [
    ({}, "auto", 0),
    ({"shadow_share": 0.25}, "auto", 0.25),
    ({"backend": None}, "auto", 0.25),
    ({"backend": "native"}, "native", 0.25),
    ({"shadow_share": 1, "backend": "frozen"}, "frozen", 1),
    ({"shadow_share": 0}, "frozen", 0),
]


async def test_what_is_left_out_stays(server: Compared) -> None:
    for wanted, backend, share in LEFT_OUT:
        told = (await server.put(**wanted)).json()
        assert (told["backend"], told["shadow_share"]) == (backend, share)
        assert server.shadow.share == share


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"backend": "onyx"}, "backend"),
    ({"backend": "both"}, "backend"),
    ({"shadow_share": 1.1}, "shadow_share"),
    ({"shadow_share": -0.1}, "shadow_share"),
    ({"share": 0.1}, "share"),
]


async def test_what_can_not_be_is_422_and_changes_nothing(server: Compared) -> None:
    for wanted, name in WRONG:
        sentence = assert_is_error(await server.put(**{"backend": "native", **wanted}), 422, "bad_parameter")
        assert name in sentence
        assert (server.routing.chosen, server.shadow.share) == ("auto", 0)


async def test_a_backend_that_is_not_warm_is_503_and_nothing_changes(server: Compared) -> None:
    response = await server.put(backend="trt", shadow_share=1)
    sentence = assert_is_error(response, 503, "backend_unavailable")
    assert sentence == "the backend 'trt' is unavailable: it is not among the copies asked for (DETECTOR_COPIES)"
    assert (server.routing.chosen, server.shadow.share) == ("auto", 0)


async def test_it_is_for_admins(server: Compared) -> None:
    for headers, status, code in (({}, 401, "unauthorized"), ({"Authorization": "Bearer other"}, 403, "forbidden")):
        response = await server.client.put("/admin/backend", json={"backend": "native"}, headers=headers)
        assert_is_error(response, status, code)
    assert server.routing.chosen == "auto"


async def test_auto_gives_a_copy_that_was_rolled_back_another_chance(server: Compared) -> None:
    add(server, bad=20)
    assert (await server.get("/model"))["active"] == "native"
    told = (await server.put(backend="native")).json()
    assert told["active"] == "native"
    assert window(server)["pairs"] == 20
    told = (await server.put(backend="auto")).json()
    assert told["active"] == "frozen"
    assert window(server)["pairs"] == 0
    add(server, bad=19)
    assert (await server.get("/model"))["active"] == "frozen"
    add(server, bad=1)
    assert (await server.get("/model"))["active"] == "native"


async def test_requests_that_are_under_way_are_answered_by_whom_they_were_given_to(server: Compared) -> None:
    frozen = server.backend("frozen")
    frozen.open_gate.clear()
    asked = [asyncio.create_task(server.detect(PHOTO)) for _ in range(5)]
    await until(lambda: server.routing.lanes["frozen"].batcher.depth > 0)
    await server.put(backend="native")
    assert (await server.detect(PHOTO)).headers["X-Backend"] == "native"
    frozen.open_gate.set()
    answers = await asyncio.gather(*asked)
    assert {(each.status_code, each.headers["X-Backend"]) for each in answers} == {(200, "frozen")}


async def test_the_share_is_of_requests_that_were_answered(server: Compared) -> None:
    await server.put(shadow_share=1)
    server.backend("native").answer = server.backend("frozen").answer
    for backend in ("auto", "native", "frozen", "both"):
        assert (await server.detect(PHOTO, backend=backend)).status_code == 200
    assert (await server.detect(b"hello")).status_code == 415
    await until(lambda: server.counted("compare_pairs_total", source="shadow") == 3)
    assert server.counted("compare_pairs_total", source="both") == 1
    assert server.counted("images_total", role="serving", result="ok") == 5
    assert server.counted("images_total", role="shadow", result="ok") == 6
