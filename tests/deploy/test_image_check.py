"""The check of the images (`make image-check` does all of it): what it lends, what it refuses, and how it runs them."""

import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.images.builder_home import HOME, builder_home, reaching
from deploy.images.check import check_config
from deploy.images.engine import Config, NotFit
from deploy.images.mounted import MountedServer, Tree

# As both engines' `inspect` shows it.
TOLD = {
    "User": "10001:10001",
    "ExposedPorts": {"8000/tcp": {}},
    "Env": ["PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin", "DETECTOR_CACHE=/cache", "OPTIONS=a=b"],
    "Cmd": ["serve"],
    "Healthcheck": {"Test": ["CMD", "python", "deploy/probe.py", "/healthz"], "Interval": 10000000000},
    "Volumes": {"/cache": {}},
    "WorkingDir": "/srv",
    "Entrypoint": ["python", "-m", "app"],
    "StopSignal": "SIGTERM",
}
CONFIG = Config.read(TOLD)
PROGRAMS = ("cat", "env", "id", "sh", "sleep", "touch")


def test_an_image_says_how_it_is_run() -> None:
    assert CONFIG.command == ("python", "-m", "app", "serve")
    assert CONFIG.health == ("python", "deploy/probe.py", "/healthz")
    assert CONFIG.environ["OPTIONS"] == "a=b"
    check_config(CONFIG)


@pytest.mark.parametrize("test", [None, ["NONE"], ["CMD-SHELL", "python deploy/probe.py"]])
def test_an_image_without_a_healthcheck_is_refused(test: list[str] | None) -> None:
    with pytest.raises(NotFit, match="no HEALTHCHECK"):
        Config.read({**TOLD, "Healthcheck": test and {"Test": test}})


def test_an_image_that_runs_as_root_is_refused() -> None:
    with pytest.raises(NotFit, match="10001:10001"):
        check_config(replace(CONFIG, user=""))


@pytest.mark.parametrize("name", ["PIP_CERT", "https_proxy", "HTTP_PROXY", "SSL_CERT_FILE"])
def test_an_image_with_settings_of_its_builder_is_refused(name: str) -> None:
    with pytest.raises(NotFit, match=name):
        check_config(replace(CONFIG, environ={**CONFIG.environ, name: "of the builder"}))


def test_what_reaches_the_index_is_lent_and_nothing_else_of_the_machine() -> None:
    listed = """
:env:.timeout='180'
:env:.find-links='/srv/wheels'
global.cert='/etc/ssl/company.pem'
global.extra-index-url='file:///srv/simple https://pip.example.com/simple'
global.timeout='15'
global.user='true'
"""
    assert reaching(listed.strip()) == {
        "cert": "/etc/ssl/company.pem",
        "extra-index-url": "https://pip.example.com/simple",
        "timeout": "180",
    }


def test_certificates_go_with_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificates = tmp_path / "company.pem"
    certificates.write_text("a certificate")
    monkeypatch.setenv("PIP_CERT", str(certificates))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PYTHON", "python3")  # has pip, as for `make image-check`
    lent = builder_home(tmp_path / "home")
    files = {path.relative_to(lent).as_posix(): path.read_text() for path in lent.rglob("*") if path.is_file()}
    assert files.pop(".config/pip/certificates.pem") == "a certificate"
    [settings] = files.values()
    assert f"cert = {HOME}/.config/pip/certificates.pem\n" in settings
    assert "find-links" not in settings


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """An image of a few programs, with a server that ends by SIGTERM with a code of its own."""
    root, cache = tmp_path / "root", tmp_path / "cache"
    for folder in ("bin", "cache", "dev", "proc", "srv", "sys", "tmp"):
        (root / folder).mkdir(parents=True)
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc" / "hosts").touch()
    cache.mkdir()
    os.chown(cache, 10001, 10001)
    programs = [Path(shutil.which(name, path="/usr/bin") or name).resolve() for name in PROGRAMS]
    listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    libraries = {Path(word) for word in listed.split() if word.startswith("/") and not word.endswith(":")}
    for name, program in zip(PROGRAMS, programs, strict=True):
        shutil.copy(program, root / "bin" / name)
    for library in libraries:
        (root / library.relative_to("/")).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, root / library.relative_to("/"))
    serve = "trap 'exit 7' TERM; echo started; while :; do sleep 0.05; done"
    return Tree(root, cache, replace(CONFIG, command=("sh", "-c", serve), environ={"PATH": "/bin", "MINE": "1"}))


@pytest.mark.system
def test_a_command_has_the_rights_of_a_container_and_no_more(tree: Tree) -> None:
    assert tree.run(["id", "-u"]).stdout == "10001\n"
    assert set(tree.run(["env"]).stdout.split()) == {"PATH=/bin", "MINE=1"}
    assert tree.run(["sh", "-c", "pwd; touch /tmp/mine /cache/mine && echo $$"]).stdout == "/srv\n1\n"
    assert (tree.cache / "mine").exists()
    tree.root.joinpath("srv").chmod(0o777)
    assert "Read-only file system" in tree.run(["touch", "/srv/mine"]).stderr
    status = dict(line.split(":\t", 1) for line in tree.run(["cat", "/proc/1/status"]).stdout.splitlines())
    assert (int(status["CapEff"], 16), int(status["CapPrm"], 16), status["NoNewPrivs"]) == (0, 0, "1")
    assert sorted(path.name for path in (tree.root / "dev").iterdir()) == [], "mounts are the namespace's alone"


@pytest.mark.system
def test_a_server_is_asked_from_inside_and_ended_from_outside(tree: Tree, tmp_path: Path) -> None:
    with tree.serve(tmp_path / "log") as server:
        wait_for_the_log(server)
        done = server.run(["sh", "-c", "cat /proc/1/comm; id -u; pwd; echo $MINE; cat /etc/hosts"])
        assert done.stdout.split()[:4] == ["sh", "10001", "/srv", "1"], done.stderr
        assert "localhost" in done.stdout
        assert server.exit_code() is None
        assert server.stop() == 7
        assert server.exit_code() == 7


@pytest.mark.system
def test_a_server_that_nobody_has_stopped_is_gone_in_the_end(tree: Tree, tmp_path: Path) -> None:
    with tree.serve(tmp_path / "log") as server:
        wait_for_the_log(server)
    assert server.exit_code() is not None
    tree.root.joinpath("srv", "mine").touch()
    shutil.rmtree(tree.root)


def wait_for_the_log(server: MountedServer) -> None:
    end = time.monotonic() + 30
    while not server.log() and time.monotonic() < end:
        time.sleep(0.01)
    assert server.log() == "started\n"
