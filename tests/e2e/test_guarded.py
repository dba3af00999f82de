"""Who gets in, and what the server's children know: on the real server, with real requests and secrets planted."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.settings import bundled_model
from benchmarks.serving import Server, copied, descendants, free_port, serving
from tests.support.slower import SLOWER

pytestmark = pytest.mark.tensorflow

SECRETS = {
    "DETECTOR_ADMIN_TOKEN": "canary-0",
    "DETECTOR_TOKEN": "canary-1",
    "AWS_SECRET_ACCESS_KEY": "canary-2",
    "NVIDIA_API_KEY": "canary-3",
    "DATABASE_URL": "postgres://canary-4",
}
PROGRAMS = {"savedmodel", "converter", "environment", "probing", "making"}
NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/errors;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream detector {{ server {server}; }}
  server {{ listen 127.0.0.1:{passes}; location / {{ proxy_pass http://detector; proxy_set_header Host $http_host; }} }}
  server {{ listen 127.0.0.1:{renames}; location / {{ proxy_pass http://detector; }} }}
}}
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    model = copied(bundled_model(), tmp_path_factory.mktemp("guarded") / "yolox_nano")
    environ = {
        "DETECTOR_MODEL": str(model),
        "DETECTOR_COPIES": "frozen",
        "DETECTOR_MAX_BATCH": "1",
        "DETECTOR_ALLOWED_HOSTS": "detector,public.example",
        "DETECTOR_CHILD_ENVIRONMENT": "WANTED",
        "WANTED": "yes",
        **SLOWER,
        **SECRETS,
    }
    with serving(environ) as server:
        yield server


def test_no_child_holds_a_secret_or_can_gain_privileges(guarded: Server) -> None:
    """Every child that lives while a copy is made at start and loaded."""
    seen: set[str] = set()

    def looked() -> bool:
        for pid in descendants(guarded.process.pid):
            try:
                command, environ, status, limits = (
                    Path(f"/proc/{pid}/{name}").read_text() for name in ("cmdline", "environ", "status", "limits")
                )
            except OSError:
                continue  # it has just ended
            program = next((word for word in command.split("\0") if word.startswith(("app.", "converter"))), "")
            held = [name for name, value in SECRETS.items() if name in environ or value in environ]
            if program and environ:
                assert (held, "WANTED=yes" in environ) == ([], True), command
            if "NoNewPrivs:\t1" in status and "Max core file size 0 0" in " ".join(limits.split()):
                seen.add(program.rpartition(".")[2])
        return guarded.model()["backends"]["frozen"]["state"] in ("active", "standby")

    guarded.wait_until(looked, within_s=300)
    assert seen >= PROGRAMS


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET /model HTTP/1.1\r\nHost: detector:8000", 200),  # a compose service, a scrape by name
        ("GET /healthz HTTP/1.1\r\nHost: 10.244.1.7:8000", 200),  # a probe by the pod's address
        ("GET /healthz HTTP/1.0", 200),
        ("GET /model HTTP/1.1\r\nHost: evil.example", 421),
        ("GET /model HTTP/1.1\r\nHost: detector\r\nHost: evil.example", 400),
        ("GET /model HTTP/1.1", 400),
        ("GET http://evil.example/model HTTP/1.1\r\nHost: detector", 200),  # no browser sends it but to a proxy
        ("GET http://detector/model HTTP/1.1\r\nHost: evil.example", 421),
        ("GET /model HTTP/1.1\r\nHost: \xff\xfe", 400),  # more of these: app/api/test_hosts.py
        ("POST /detect HTTP/1.1\r\nHost: detector\r\nOrigin: null\r\nContent-Length: 0", 403),
        ("OPTIONS /detect HTTP/1.1\r\nHost: detector\r\nOrigin: http://evil.example", 401),
        (
            "GET /detect HTTP/1.1\r\nHost: detector\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            401,
        ),
    ],
)
def test_who_gets_in_on_the_wire(head: str, status: int, guarded: Server) -> None:
    url = httpx.URL(guarded.url)
    with socket.create_connection((url.host, url.port or 80), timeout=20) as connection:
        connection.sendall(head.encode("latin-1") + b"\r\n\r\n")
        assert int(connection.recv(1000).split()[1]) == status


def test_no_secret_is_in_the_log_or_the_metrics(guarded: Server) -> None:
    with guarded.client as client:
        for token in ("canary-0", "canary-1", "wrong canary-1"):
            for path in ("/detect", "/convert", "/admin/backend", "/canary"):
                client.put(path, headers={"Authorization": f"Bearer {token}"})
    told = guarded.log.read_text() + guarded.get("/metrics").text
    assert "canary-" not in told


@pytest.mark.system
def test_behind_nginx_its_names_count(guarded: Server, tmp_path: Path) -> None:
    passes, renames = free_port(), free_port()
    config = tmp_path / "nginx.conf"
    server = guarded.url.removeprefix("http://")
    config.write_text(NGINX.format(folder=tmp_path, server=server, passes=passes, renames=renames))
    ours = {"Host": "public.example", "Authorization": "Bearer canary-1"}
    with (
        subprocess.Popen(["nginx", "-c", config, "-e", tmp_path / "early"]) as nginx,
        httpx.Client(headers=ours) as ask,
    ):
        try:
            guarded.wait_until(lambda: ask.get(f"http://127.0.0.1:{passes}/model").status_code == 200)
            own = {"Origin": "https://public.example", "Sec-Fetch-Site": "same-origin"}  # TLS ended before it
            evil = {"Host": "evil.example"}
            assert ask.get(f"http://127.0.0.1:{passes}/model", headers=evil).status_code == 421
            assert ask.post(f"http://127.0.0.1:{passes}/detect", headers=own).status_code == 400  # empty: it got in
            assert ask.get(f"http://127.0.0.1:{renames}/model", headers=evil).status_code == 200  # nginx's to check
            assert ask.post(f"http://127.0.0.1:{renames}/detect", headers=own).status_code == 403
        finally:
            nginx.terminate()
