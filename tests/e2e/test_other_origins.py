"""Pages of other origins, and a path of a proxy: a real browser and a real nginx before the real server."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Response

from benchmarks.serving import Server, free_port, serving
from tests.support.e2e.browsing import browser

__all__ = ["browser"]  # a fixture

pytestmark = pytest.mark.system

PAGE, OTHER = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
FAKES = ("tests.support.programs.serve_fakes",)
FETCH = """url => fetch(url + "/detect", {method: "POST", headers: {"Authorization": "Bearer sesame"},
    body: new Uint8Array([0xff, 0xd8, 0xff])})
    .then(async (response) => [response.status, (await response.json()).code], () => "refused")"""
NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/errors;
events {{}}
http {{
  access_log {folder}/access; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  client_body_buffer_size 1m;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  log_format plain "$upstream_addr $upstream_status $upstream_connect_time"; access_log {folder}/plain plain;
  upstream detector {{ server {server}; keepalive 4; keepalive_timeout 74s; }}
  server {{
    listen 127.0.0.1:{port};
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
    location /detector/ {{ proxy_pass http://detector/; }}
    location /left/ {{ proxy_pass http://detector; }}
  }}
}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    model = tmp_path_factory.mktemp("fake") / "1"
    (model / "assets.extra").mkdir(parents=True)
    (model / "saved_model.pb").write_bytes(b"a graph")
    (model / "assets.extra" / "labels.txt").write_text("64 tram\n")
    environ = {
        "DETECTOR_MODEL": str(model.parent),
        "DETECTOR_COPIES": "",
        "DETECTOR_TOKEN": "sesame",
        "DETECTOR_ALLOWED_ORIGINS": PAGE,
        "DETECTOR_ROOT_PATH": "/left",
    }
    with serving(environ, program=FAKES) as running:
        running.wait_until_ready()
        yield running


@pytest.mark.parametrize(
    ("origin", "answer"), [(PAGE, [422, "invalid_image"]), (OTHER, "refused")], ids=["named", "not named"]
)
def test_a_page_elsewhere_asks_only_if_it_is_named(
    origin: str, answer: object, server: Server, browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "index.html").write_text("<title>elsewhere</title>")
    port = origin.rpartition(":")[2]
    page = browser.new_page()
    files = [sys.executable, "-m", "http.server", port, "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    with subprocess.Popen(files, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as pages:
        try:
            server.wait_until(lambda: httpx.get(origin).status_code == 200)
            page.goto(origin)
            assert page.evaluate(FETCH, server.url) == answer
        finally:
            pages.terminate()
            page.close()


def failures(browser: Browser, url: str) -> list[str]:
    """What the page at this address could not load."""
    page, failed = browser.new_page(), list[str]()

    def note(response: Response) -> None:
        # Of this server the page gets no answer for its sample until somebody enters the token.
        if response.status >= 400 and response.status != 401:
            failed.append(f"{response.status} {response.url}")

    page.on("response", note)
    page.goto(url, wait_until="load")
    page.wait_for_timeout(500)  # the page asks for more once it has begun
    page.close()
    return failed


# As long as load balancers leave a connection idle.
@pytest.mark.parametrize("idle_s", [1, pytest.param(61, marks=pytest.mark.long)])
def test_below_a_path_of_nginx_which_keeps_its_connections_idle(
    server: Server, browser: Browser, tmp_path: Path, idle_s: float
) -> None:
    port = free_port()
    config = tmp_path / "nginx.conf"
    config.write_text(NGINX.format(folder=tmp_path, server=server.url.removeprefix("http://"), port=port))
    with subprocess.Popen(["nginx", "-c", config, "-e", tmp_path / "early"]) as nginx:
        try:
            below = f"http://127.0.0.1:{port}"
            server.wait_until(lambda: httpx.get(f"{below}/detector/healthz").status_code == 200)
            for path in ("/detector/", "/left/", "/detector/docs", "/left/docs"):
                assert failures(browser, below + path) == []
            assert httpx.get(f"{below}/left/openapi.json").json()["servers"] == [{"url": "/left"}]
            before = httpx.get(f"{below}/detector/healthz")
            time.sleep(idle_s)
            assert (before.status_code, httpx.get(f"{below}/detector/healthz").status_code) == (200, 200)
            last = (tmp_path / "plain").read_text().splitlines()[-1].split()
            assert last[1:] == ["200", "0.000"], "the connection was kept"
        finally:
            nginx.terminate()
