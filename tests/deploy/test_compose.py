"""docker-compose.gpu.yml and deploy/prometheus.yml: valid, and true to the server they describe."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = "docker-compose.gpu.yml"
SERVICES = ("detector", "prometheus")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return read(FILE)


def read(name: str) -> dict[str, Any]:
    content = yaml.safe_load((ROOT / name).read_text())
    assert isinstance(content, dict)
    return content


def seconds(duration: str) -> int:
    found = re.fullmatch(r"(\d+)(s|m)", duration)
    assert found is not None
    return int(found[1]) * {"s": 1, "m": 60}[found[2]]


def mounts(compose: dict[str, Any], service: str) -> Iterator[tuple[str, str, str]]:
    for volume in compose["services"][service]["volumes"]:
        source, target, *mode = volume.split(":")
        yield source, target, mode[0] if mode else "rw"


def test_file_follows_the_compose_specification() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*check, FILE], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_services_are_these(compose: dict[str, Any]) -> None:
    assert tuple(compose["services"]) == SERVICES


def test_detector_is_the_gpu_image_with_one_gpu(compose: dict[str, Any]) -> None:
    detector = compose["services"]["detector"]
    assert detector["build"] == {"context": ".", "target": "gpu"}
    assert re.search(r"^FROM \S+ AS gpu$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    devices = detector["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    assert detector["environment"]["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"


def test_variables_are_settings(compose: dict[str, Any]) -> None:
    from app.settings import PREFIX, Settings

    environment = compose["services"]["detector"]["environment"]
    names = [name for name in environment if name.startswith(PREFIX)]
    assert "DETECTOR_ADMIN_TOKEN" in names
    assert {name.removeprefix(PREFIX).lower() for name in names} <= set(Settings.model_fields)
    # No secret is written down: without a value, compose passes on what is set outside.
    assert [environment[name] for name in names if "TOKEN" in name] == [None, None]


def test_stopping_takes_no_longer_than_is_granted(compose: dict[str, Any]) -> None:
    from app.settings import Settings

    settings = Settings()
    grace = seconds(compose["services"]["detector"]["stop_grace_period"])
    assert settings.drain_seconds + settings.timeout_seconds < grace


def test_detector_has_time_for_its_first_call(compose: dict[str, Any]) -> None:
    healthcheck = compose["services"]["detector"]["healthcheck"]
    assert healthcheck["test"] == ["CMD", "python", "deploy/probe.py", "/readyz"]
    assert seconds(healthcheck["start_period"]) >= 120


@pytest.mark.parametrize("service", SERVICES)
def test_service_has_no_rights_that_it_does_not_need(compose: dict[str, Any], service: str) -> None:
    settings = compose["services"][service]
    assert settings["read_only"] is True
    assert settings["cap_drop"] == ["ALL"]
    assert settings["security_opt"] == ["no-new-privileges:true"]
    assert [port for port in settings["ports"] if not port.startswith("127.0.0.1:")] == []


def test_mounts_are_files_or_volumes_that_exist(compose: dict[str, Any]) -> None:
    every = [mount for service in SERVICES for mount in mounts(compose, service)]
    writable = {source for source, _, mode in every if mode == "rw"}
    assert writable == set(compose["volumes"])
    assert [s for s, _, mode in every if mode == "ro" and not (ROOT / s).is_file()] == []


def test_cache_is_a_volume(compose: dict[str, Any]) -> None:
    assert list(mounts(compose, "detector")) == [("cache", "/cache", "rw")]


def test_prometheus_is_pinned_and_reads_our_configuration(compose: dict[str, Any]) -> None:
    prometheus = compose["services"]["prometheus"]
    assert re.fullmatch(r"prom/prometheus:v\d+\.\d+\.\d+", prometheus["image"])
    config = next(target for source, target, _ in mounts(compose, "prometheus") if "/" in source)
    assert f"--config.file={config}" in prometheus["command"]


def test_prometheus_scrapes_the_detector(compose: dict[str, Any]) -> None:
    config = read("deploy/prometheus.yml")
    [job] = config["scrape_configs"]
    [group] = job["static_configs"]
    [target] = group["targets"]
    host, _, port = target.partition(":")
    assert host in compose["services"]
    assert f"127.0.0.1:{port}:{port}" in compose["services"][host]["ports"]
    assert f"EXPOSE {port}\n" in (ROOT / "Dockerfile").read_text()
    assert job.get("metrics_path", "/metrics") == "/metrics"
    assert seconds(config["global"]["scrape_interval"]) <= 15
