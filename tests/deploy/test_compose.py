"""The compose files and what they mount: valid, and true to the server they describe."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CPU, GPU = "docker-compose.yml", "docker-compose.gpu.yml"
SERVICES = ("detector", "prometheus", "grafana")


@pytest.fixture(params=[CPU, GPU])
def compose(request: pytest.FixtureRequest) -> dict[str, Any]:
    return read(request.param)


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


def test_files_follow_the_compose_specification() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*check, CPU, GPU], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_services_are_these(compose: dict[str, Any]) -> None:
    assert tuple(compose["services"]) == SERVICES


@pytest.mark.parametrize(("file", "target"), [(CPU, "cpu"), (GPU, "gpu")])
def test_detector_is_an_image_of_the_dockerfile(file: str, target: str) -> None:
    detector = read(file)["services"]["detector"]
    assert detector["build"] == {"context": ".", "target": target}
    assert re.search(rf"^FROM \S+ AS {target}$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_the_two_files_differ_in_the_detector_alone() -> None:
    cpu, gpu = read(CPU), read(GPU)
    for service in SERVICES[1:]:
        assert cpu["services"][service] == gpu["services"][service]
    assert "deploy" not in cpu["services"]["detector"]


def test_one_gpu_is_asked_for() -> None:
    detector = read(GPU)["services"]["detector"]
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


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    assert re.fullmatch(r"prom/prometheus:v\d+\.\d+\.\d+", compose["services"]["prometheus"]["image"])
    assert re.fullmatch(r"grafana/grafana:\d+\.\d+\.\d+", compose["services"]["grafana"]["image"])


def test_prometheus_reads_our_configuration_and_rules(compose: dict[str, Any]) -> None:
    places = {source: target for source, target, _ in mounts(compose, "prometheus")}
    config = places["./deploy/prometheus/prometheus.yml"]
    assert f"--config.file={config}" in compose["services"]["prometheus"]["command"]
    [rules] = read("deploy/prometheus/prometheus.yml")["rule_files"]
    assert str(Path(config).parent / rules) == places["./deploy/prometheus/rules.yml"]


def test_grafana_finds_prometheus_and_the_dashboard(compose: dict[str, Any]) -> None:
    places = {source: target for source, target, _ in mounts(compose, "grafana")}
    provisioning = "deploy/grafana/provisioning"
    for name in ("datasources/prometheus.yml", "dashboards/detector.yml"):
        assert places[f"./{provisioning}/{name}"] == f"/etc/grafana/provisioning/{name}"
    [source] = read(f"{provisioning}/datasources/prometheus.yml")["datasources"]
    host, _, port = source["url"].removeprefix("http://").partition(":")
    assert f"127.0.0.1:{port}:{port}" in compose["services"][host]["ports"]
    [provider] = read(f"{provisioning}/dashboards/detector.yml")["providers"]
    dashboard = places["./deploy/grafana/dashboards/detector.json"]
    assert str(Path(dashboard).parent) == provider["options"]["path"]
    environment = compose["services"]["grafana"]["environment"]
    assert environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == dashboard
    text = (ROOT / "deploy/grafana/dashboards/detector.json").read_text()
    assert set(re.findall(r'"type": "prometheus",\s+"uid": "(.+)"', text)) == {source["uid"]}


def test_prometheus_scrapes_the_detector(compose: dict[str, Any]) -> None:
    config = read("deploy/prometheus/prometheus.yml")
    [job] = config["scrape_configs"]
    [group] = job["static_configs"]
    [target] = group["targets"]
    host, _, port = target.partition(":")
    assert host in compose["services"]
    assert f"127.0.0.1:{port}:{port}" in compose["services"][host]["ports"]
    assert f"EXPOSE {port}\n" in (ROOT / "Dockerfile").read_text()
    assert host in compose["services"]["detector"]["environment"]["DETECTOR_ALLOWED_HOSTS"].split(",")
    assert job.get("metrics_path", "/metrics") == "/metrics"
    assert seconds(config["global"]["scrape_interval"]) <= 15
