"""The page's configuration of nginx, as it stands there but for places and ports, before the real server."""

import re
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from app.settings import bundled_model
from benchmarks.serving import Server, copied, free_port, serving
from tests.support.places import DOG, ROOT

pytestmark = [pytest.mark.tensorflow, pytest.mark.system]

PAGE = (ROOT / "docs" / "running.md").read_text()
ROUND = """user root; daemon off; pid {folder}/pid; error_log {folder}/errors;
events {{}}
http {{
  access_log {folder}/access; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
{inside}
}}
"""
NAME = "detector.example.com"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    model = copied(bundled_model(), tmp_path_factory.mktemp("proxied") / "yolox_nano")
    names = {"DETECTOR_ALLOWED_HOSTS": NAME, "DETECTOR_ROOT_PATH": "/detector", "DETECTOR_ADMIN_TOKEN": "secret"}
    with serving({"DETECTOR_MODEL": str(model), "DETECTOR_COPIES": "", **names}) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture(scope="module")
def proxied(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Who asks nginx by its name over TLS."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    key, certificate = folder / "detector.key", folder / "detector.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", str(key), "-out", str(certificate), "-days", "1", "-subj", f"/CN={NAME}"]
    subprocess.run([*made, *files], check=True, capture_output=True)
    shown = re.search(r"```nginx\n(.*?)```", PAGE, re.DOTALL)
    assert shown
    inside = shown[1].replace("/etc/ssl", str(folder)).replace("127.0.0.1:8000", server.url.removeprefix("http://"))
    config = folder / "nginx.conf"
    config.write_text(ROUND.format(folder=folder, inside=inside.replace("listen 443", f"listen 127.0.0.1:{port}")))
    with (
        subprocess.Popen(["nginx", "-c", config, "-e", folder / "early"]) as nginx,
        httpx.Client(base_url=f"https://127.0.0.1:{port}", headers={"Host": NAME}, verify=False, timeout=60) as client,
    ):
        try:
            server.wait_until(lambda: client.get("/healthz").status_code == 200)
            yield client
        finally:
            nginx.terminate()


@pytest.mark.parametrize("path", ["", "/detector"], ids=["by its name", "below a path"])
def test_pictures_are_answered(proxied: httpx.Client, path: str) -> None:
    headers = {"Origin": f"https://{NAME}", "Sec-Fetch-Site": "same-origin"}  # as the server's own page sends them
    asked = proxied.post(f"{path}/detect", content=DOG.read_bytes(), headers=headers)
    assert [each["label"] for each in asked.json()["detections"]][:2] == ["dog", "bicycle"]
    assert re.fullmatch("[0-9a-f]{32}", asked.headers["X-Request-Id"]), "nginx's own"
    assert proxied.get(f"{path}/docs").status_code == 200


@pytest.mark.parametrize("path", ["/convert", "/admin/backend", "/detector/convert", "/detector/admin/reload"])
def test_an_admins_routes_are_not_passed_on(proxied: httpx.Client, path: str) -> None:
    asked = proxied.post(path, headers={"Authorization": "Bearer secret"})
    assert (asked.status_code, asked.headers["Server"].partition("/")[0]) == (404, "nginx")


def test_a_large_body_meets_the_servers_own_sentence(proxied: httpx.Client) -> None:
    """20,000,000 bytes are fewer than nginx's 20m."""
    asked = proxied.post("/detect", content=b"\xff\xd8\xff" + bytes(20_000_000))
    assert (asked.status_code, asked.json()["code"]) == (413, "body_too_large")


def test_what_the_page_says_of_time_is_true(server: Server) -> None:
    from app.settings import Settings

    settings = Settings()
    seconds = {name: int(value) for name, value in re.findall(r"^    (\w+_timeout) (\d+)s;", PAGE, re.MULTILINE)}
    assert seconds["keepalive_timeout"] < settings.keep_alive_seconds
    assert seconds["proxy_read_timeout"] > settings.timeout_seconds
