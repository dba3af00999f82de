"""The systemd unit: read by systemd itself, and its command started with the rights that it leaves."""

import configparser
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import pytest

from app.settings import PREFIX, Settings
from benchmarks.serving import free_port
from tests.support.places import DOG, ROOT

pytestmark = pytest.mark.system

UNIT = ROOT / "deploy" / "systemd" / "detection-server.service"
GPU = UNIT.with_name("gpu.conf")
COMMAND = "/opt/detection-server/bin/detection-server serve"
NOBODY = 65534


def section(path: Path, name: str = "Service") -> dict[str, list[str]]:
    """What it says, by name; some names are there several times."""
    found: dict[str, list[str]] = {}
    text = path.read_text().partition(f"[{name}]")[2].partition("\n[")[0]
    for line in (line for line in text.splitlines() if line and not line.startswith("#")):
        key, _, value = line.partition("=")
        found.setdefault(key, []).append(value)
    return found


def variables(service: dict[str, list[str]]) -> dict[str, str]:
    return dict(each.split("=", 1) for each in service["Environment"])


def as_installed(folder: Path, *, gpu: bool = False) -> Path:
    """The unit with a command that is there, and the file for a GPU where systemd looks for it."""
    unit = folder / UNIT.name
    unit.write_text(UNIT.read_text().replace(COMMAND, f"{sys.executable} -m app serve"))
    if gpu:
        (folder / f"{UNIT.name}.d").mkdir()
        shutil.copy(GPU, folder / f"{UNIT.name}.d")
    return unit


@pytest.mark.parametrize("gpu", [False, True], ids=["cpu", "gpu"])
def test_systemd_has_nothing_to_say(tmp_path: Path, gpu: bool) -> None:
    verify = ["systemd-analyze", "verify", str(as_installed(tmp_path, gpu=gpu))]
    done = subprocess.run(verify, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    broken = tmp_path / "broken.service"
    broken.write_text(UNIT.read_text().replace("KillMode=mixed", "KillMode=mixt"))
    said = subprocess.run([*verify[:2], str(broken)], capture_output=True, text=True).stderr
    assert "Failed to parse kill mode" in said, "it can tell"


def test_little_is_exposed(tmp_path: Path) -> None:
    unit = as_installed(tmp_path)
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", unit], capture_output=True, text=True, check=True
    )
    level = re.search(r"Overall exposure level for \S+: (\d+\.\d)", done.stdout)
    assert level
    assert float(level[1]) <= 2.0


def test_it_is_true_to_the_server() -> None:
    service = section(UNIT)
    names = [name for name in variables(service) if name.startswith(PREFIX)]
    assert {name.removeprefix(PREFIX).lower() for name in names} <= set(Settings.model_fields)
    settings = Settings()
    assert settings.drain_seconds + settings.timeout_seconds < int(service["TimeoutStopSec"][0])
    files = {value for name, value in variables(service).items() if name.endswith("_TOKEN_FILE")}
    assert files == {f"%d/{each.partition(':')[0]}" for each in service["LoadCredential"]}
    scripts = configparser.ConfigParser()
    scripts.read_string(
        re.sub(r"(?s)^.*(\[project\.scripts\].*?)\n\n.*$", r"\1", (ROOT / "pyproject.toml").read_text())
    )
    assert COMMAND.split()[0].rpartition("/")[2] in scripts["project.scripts"]


@pytest.fixture
def confined() -> list[str]:
    """What starts a command as the unit would: nobody's, without rights, in a file system that can't be written."""
    enter = ["unshare", "--mount", "--propagation", "private"]
    if os.geteuid() != 0 or subprocess.run([*enter, "true"], capture_output=True).returncode != 0:
        pytest.skip("only root can make a file system of its own here")
    # What may be written lies in /mnt: this checkout may lie in /tmp.
    script = (
        "mount --options remount,bind,ro / && mount --types tmpfs tmpfs /mnt && cd / && "
        f"install --directory --owner {NOBODY} --mode 0700 /mnt/state /mnt/credentials /mnt/tmp && "
        "printf 'of a file\\n' >/mnt/credentials/token && cp /mnt/credentials/token /mnt/credentials/admin-token && "
        "chmod 0444 /mnt/credentials/* && "
        f"exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups --no-new-privs "
        # But for reading: Python itself may lie in root's home.
        "--bounding-set=-all,+dac_read_search --inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search "
        '-- "$@"'
    )
    return [*enter, "sh", "-c", script, "sh"]


@pytest.mark.tensorflow
def test_its_command_serves_with_the_rights_that_are_left(confined: list[str]) -> None:
    places = {"%S/detection-server": "/mnt/state", "%d": "/mnt/credentials"}
    given = variables(section(UNIT))
    environ = {name: re.sub("|".join(places), lambda at: places[at[0]], value) for name, value in given.items()}
    address, port = f"detection-server-{os.getpid()}", free_port()
    environ |= {"NOTIFY_SOCKET": f"@{address}", "DETECTOR_BIND": f"127.0.0.1:{port}", "DETECTOR_COPIES": ""}
    environ |= {
        "TMPDIR": "/mnt/tmp",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    environ |= {"PYTHONPYCACHEPREFIX": sys.pycache_prefix} if sys.pycache_prefix else {}
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
        tempfile.TemporaryFile() as log,
        subprocess.Popen([*confined, sys.executable, "-m", "app", "serve"], env=environ, stderr=log) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        try:
            systemd.bind(f"\0{address}")
            systemd.settimeout(180)
            assert systemd.recv(100) == b"READY=1"
            end = time.monotonic() + 120
            while client.get("/readyz").status_code != 200 and time.monotonic() < end:
                time.sleep(0.1)
            asked = client.post("/detect", content=DOG.read_bytes(), headers={"Authorization": "Bearer of a file"})
            assert [each["label"] for each in asked.json()["detections"]][:2] == ["dog", "bicycle"]
            assert client.post("/detect", content=DOG.read_bytes()).status_code == 401
        finally:
            server.send_signal(signal.SIGTERM)
            log.seek(0)
            code = server.wait(30)
    assert code == -signal.SIGTERM, "which systemd counts as a success"
