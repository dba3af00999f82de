"""Access is closed by default: every route needs a token, or is listed as public; no other path is open either."""

from collections.abc import Iterable, Iterator

import pytest
from starlette.routing import BaseRoute, Mount, Route

from app.api.access import PUBLIC, covers
from tests.app.api.conftest import Start

pytestmark = pytest.mark.anyio

ADMIN_PATHS = {
    "/convert",
    "/convert/jobs",
    "/convert/jobs/{job_id}",
    "/convert/jobs/{job_id}/report",
    "/admin/reload",
    "/admin/backend",
}


def served(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Each method and path that there is a route for."""
    for route in routes:
        if isinstance(route, Route):
            yield from ((method, route.path) for method in route.methods or ())
        elif isinstance(route, Mount):
            yield "GET", f"{route.path}/any"
        else:
            yield from served(route.original_router.routes)  # type: ignore[attr-defined]  # FastAPI's included router


async def test_each_route_is_public_or_needs_a_token(start: Start) -> None:
    api = await start(token="sesame", admin_token="admins")
    every = set(served(api.app.routes))
    assert {path for _, path in every} >= {"/detect", "/healthz", "/page/{name}", *ADMIN_PATHS}
    for method, path in every:
        response = await api.client.request(method, path.replace("{", "").replace("}", ""))
        assert (response.status_code != 401) == covers(PUBLIC, path), f"{method} {path}"


@pytest.mark.parametrize("path", ["/nothing", "/v1/models/street:predict", "/healthz/", "/metricsx", "//model"])
async def test_what_is_not_served_needs_the_token_too(path: str, start: Start) -> None:
    api = await start(token="sesame")
    assert (await api.client.get(f"http://localhost{path}")).status_code == 401


async def test_the_detection_token_opens_no_admin_route_nor_the_admins_detections(start: Start) -> None:
    api = await start(token="sesame", admin_token="admins")
    for path, token in (("/convert/jobs", "sesame"), ("/detect", "admins")):
        response = await api.client.get(path, headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == 403


async def test_every_public_path_is_one_that_is_served(start: Start) -> None:
    paths = {path for _, path in served((await start()).app.routes)}
    for each in PUBLIC:
        assert each in paths or any(each.endswith("/") and path.startswith(each) for path in paths), each
