"""What is in deploy/kubernetes: built by kustomize, valid by the schemas of its kinds, true to the server it runs."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.metrics import Metrics
from app.settings import PREFIX, Settings
from tests.support.places import PROGRAMS, ROOT

pytestmark = pytest.mark.system

FOLDER = ROOT / "deploy" / "kubernetes"
BIN = ROOT / ".venv-clients" / "bin"
KINDS = ROOT / "tests" / "deploy" / "kinds"
KSERVE = sorted((FOLDER / "kserve").glob("*.yaml"))
THEIRS = ("PrometheusRule", "ScaledObject", "ServiceMonitor")
OVERLAYS = {
    "cpu": "resources: [../base]\n",
    "gpu": "resources: [../gpu]\n",
    "cpu with KEDA": "resources: [../base]\ncomponents: [../keda, ../monitoring]\n",
    "gpu with an HPA": "resources: [../gpu]\ncomponents: [../hpa, ../own-cache]\n",
    "example": (FOLDER / "example" / "kustomization.yaml").read_text(),
}
Object = dict[str, Any]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Object]]:
    """The objects of each overlay, as `kubectl apply -k` would send them."""
    folder = shutil.copytree(FOLDER, tmp_path_factory.mktemp("kubernetes") / "all")
    return {name: built_of(folder / "mine", text) for name, text in OVERLAYS.items()}


def built_of(folder: Path, overlay: str) -> list[Object]:
    folder.mkdir(exist_ok=True)
    (folder / "kustomization.yaml").write_text(overlay)
    done = subprocess.run([BIN / "kubectl", "kustomize", folder], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return list(yaml.safe_load_all(done.stdout))


def said_by(command: list[str | Path], objects: list[Object], cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, input=json.dumps(objects), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def one(objects: list[Object], kind: str) -> Object:
    [found] = [each for each in objects if each["kind"] == kind]
    return found


def pod(objects: list[Object]) -> Object:
    spec: Object = one(objects, "Deployment")["spec"]["template"]["spec"]
    return spec


def containers(objects: list[Object]) -> list[Object]:
    return [*pod(objects)["initContainers"], *pod(objects)["containers"]]


def settings(objects: list[Object]) -> dict[str, str]:
    data: dict[str, str] = one(objects, "ConfigMap")["data"]
    return data


def test_every_folder_is_built(built: dict[str, list[Object]]) -> None:
    text = "".join(OVERLAYS.values())
    assert {path.name for path in FOLDER.iterdir() if path.is_dir()} - {"example", "kserve"} == set(
        re.findall(r"\.\./([\w-]+)", text)
    )


@pytest.mark.parametrize("name", [*OVERLAYS, "KServe"])
def test_kubernetes_and_kserves_kinds_are_valid(name: str, built: dict[str, list[Object]]) -> None:
    every = built.get(name) or [yaml.safe_load(path.read_text()) for path in KSERVE]
    ours = [each for each in every if each["kind"] not in THEIRS]
    assert said_by([BIN / "python", PROGRAMS / "kubernetes_kinds.py"], ours) == "[]"
    wrong = [json.loads(json.dumps(ours[-1])), json.loads(json.dumps(ours[0]))]
    wrong[0]["spec"]["mispelt"] = wrong[1]["metadata"]["mispelt"] = 1
    assert said_by([BIN / "python", PROGRAMS / "kubernetes_kinds.py"], wrong).count("mispelt") >= 2, "it can tell"


@pytest.fixture(scope="module")
def kinds() -> Path:
    if not (KINDS / "node_modules").exists():
        subprocess.run(["npm", "ci"], cwd=KINDS, check=True, capture_output=True)
    return KINDS


def prometheus_rule() -> Object:
    """As the page's command makes it."""
    command = re.search(r"^\(printf .*\) \| kubectl apply", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert command
    made = command[0].removesuffix(" | kubectl apply")
    found: Object = yaml.safe_load(subprocess.run(["sh", "-c", made], cwd=ROOT, capture_output=True, check=True).stdout)
    return found


def test_kedas_and_prometheus_kinds_are_valid(built: dict[str, list[Object]], kinds: Path, tmp_path: Path) -> None:
    """By their schemas, which let unknown fields pass, and by their types, which don't."""
    objects = [one(built["cpu with KEDA"], kind) for kind in ("ScaledObject", "ServiceMonitor")] + [prometheus_rule()]
    assert said_by(["node", "check.mjs"], objects, kinds) == ""
    assert "must" in said_by(["node", "check.mjs"], [{**objects[0], "spec": {}}], kinds), "it can tell"
    good, bad = typed(kinds, tmp_path, objects), typed(kinds, tmp_path, [{**objects[1], "mispelt": 1}])
    assert good == ""
    assert "mispelt" in bad


def typed(kinds: Path, folder: Path, objects: list[Object]) -> str:
    """What TypeScript's compiler says of them."""
    (folder / "node_modules").unlink(missing_ok=True)
    (folder / "node_modules").symlink_to(kinds / "node_modules")
    lines = [
        'import { IScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1";',
        "import { IPrometheusRule, IServiceMonitor } from "
        '"@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";',
        *(f"export const a{i}: I{each['kind']} = {json.dumps(each)};" for i, each in enumerate(objects)),
    ]
    (folder / "objects.ts").write_text("\n".join(lines))
    tsc = str(kinds / "node_modules/.bin/tsc")
    check = [tsc, "--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "objects.ts"]
    return subprocess.run(check, cwd=folder, capture_output=True, text=True).stdout


@pytest.mark.parametrize("name", OVERLAYS)
def test_names_can_be_names(name: str, built: dict[str, list[Object]]) -> None:
    every = [*built[name], *(yaml.safe_load(path.read_text()) for path in KSERVE)]
    names = [each["metadata"]["name"] for each in every]
    assert [each for each in names if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", each)] == []


@pytest.mark.parametrize("name", OVERLAYS)
def test_it_is_set_as_the_server_reads_it(name: str, built: dict[str, list[Object]]) -> None:
    data = settings(built[name])
    ours = {key: value for key, value in data.items() if key.startswith(PREFIX)}
    files = {key for key in ours if key.endswith("_TOKEN_FILE")}
    assert {key.removeprefix(PREFIX).lower() for key in ours} <= set(Settings.model_fields)
    read = Settings.from_env({key: value for key, value in ours.items() if key not in files})
    assert read.drain_seconds + read.timeout_seconds < pod(built[name])["terminationGracePeriodSeconds"]
    [secret] = [each["secret"] for each in pod(built[name])["volumes"] if "secret" in each]
    assert {data[key] for key in files} == {f"/run/secrets/detector/{each['path']}" for each in secret["items"]}


@pytest.mark.parametrize("name", OVERLAYS)
def test_containers_have_no_rights_that_they_do_not_need(name: str, built: dict[str, list[Object]]) -> None:
    assert pod(built[name])["securityContext"]["runAsUser"] == 10001
    for each in containers(built[name]):
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert each["resources"]["limits"]["memory"]
    [server] = pod(built[name])["containers"]
    assert sorted(mount["mountPath"] for mount in server["volumeMounts"] if not mount.get("readOnly")) == [
        *("/cache", "/tmp")
    ]


@pytest.mark.parametrize("name", OVERLAYS)
def test_probes_outlast_a_first_build_of_twenty_minutes(name: str, built: dict[str, list[Object]]) -> None:
    [server] = pod(built[name])["containers"]
    start = server["startupProbe"]
    assert start["periodSeconds"] * start["failureThreshold"] > 20 * 60
    assert one(built[name], "Deployment")["spec"]["progressDeadlineSeconds"] > 20 * 60
    paths = [server[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")]
    assert paths == ["/startupz", "/healthz", "/readyz"]
    unready = server["readinessProbe"]["periodSeconds"] * server["readinessProbe"]["failureThreshold"]
    assert unready < float(settings(built[name])["DETECTOR_DRAIN_SECONDS"])


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_model_is_brought_to_where_the_server_looks(
    name: str, built: dict[str, list[Object]], tmp_path: Path
) -> None:
    """The init container's own command, with its own variables, in the checkout in place of the image."""
    [first] = pod(built[name])["initContainers"]
    [server] = pod(built[name])["containers"]
    assert {"name": "model", "mountPath": "/model"} in first["volumeMounts"]
    assert {"name": "model", "mountPath": "/model", "readOnly": True} in server["volumeMounts"]
    words = [re.sub(r"\$\((\w+)\)", lambda found: settings(built[name])[found[1]], each) for each in first["args"]]
    if words[0].startswith("https://"):
        assert re.fullmatch(r"[0-9a-f]{64}", words[2])
        return
    words[1] = words[1].replace("/model", str(tmp_path))
    subprocess.run([*first["command"], *words], cwd=ROOT, check=True)
    assert (tmp_path / "yolox_nano" / "1" / "saved_model.pb").exists()


def scaled(query: str, expected: float) -> Object:
    """A test by promtool of what a query gives for two pods: 10 + 2 and 20 pictures wait, two a second are refused."""
    job = 'job="detector"'
    series = {
        f'detector_queue_depth{{{job}, instance="a", backend="native"}}': "10x20",
        f'detector_queue_depth{{{job}, instance="a", backend="onnx"}}': "2x20",
        f'detector_queue_depth{{{job}, instance="b", backend="native"}}': "20x20",
        'detector_queue_depth{job="other", instance="c", backend="native"}': "99x20",
        f'detector_images_total{{{job}, instance="a", backend="onnx", role="serving", result="overloaded"}}': "0+60x20",
        f'detector_images_total{{{job}, instance="a", backend="onnx", role="serving", result="ok"}}': "0+900x20",
    }
    return {
        "interval": "30s",
        "input_series": [{"series": each, "values": values} for each, values in series.items()],
        "promql_expr_test": [
            {"expr": query, "eval_time": "5m", "exp_samples": [{"labels": "{}", "value": expected}]},
        ],
    }


def test_keda_asks_for_what_the_server_measures(built: dict[str, list[Object]], tmp_path: Path) -> None:
    triggers = one(built["cpu with KEDA"], "ScaledObject")["spec"]["triggers"]
    waiting, refused = [each["metadata"]["query"] for each in triggers]
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"tests": [scaled(waiting, 32), scaled(refused, 2)]}))
    done = subprocess.run(["promtool", "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    families = {family.name + ("_total" if family.type == "counter" else "") for family in Metrics().registry.collect()}
    assert set(re.findall(r"detector_\w+", waiting + refused)) <= families
    [pods] = one(built["gpu with an HPA"], "HorizontalPodAutoscaler")["spec"]["metrics"]
    assert pods["pods"]["metric"]["name"] in families
    assert pods["pods"]["target"]["averageValue"] == triggers[0]["metadata"]["threshold"]


def test_what_selects_selects_the_servers_pods(built: dict[str, list[Object]]) -> None:
    objects = built["cpu with KEDA"]
    labels = one(objects, "Deployment")["spec"]["template"]["metadata"]["labels"].items()
    ports = {each["name"] for each in pod(objects)["containers"][0]["ports"]}
    assert one(objects, "Service")["spec"]["selector"].items() <= labels
    assert one(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"].items() <= labels
    assert one(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items() == labels
    assert {each["targetPort"] for each in one(objects, "Service")["spec"]["ports"]} <= ports
    monitor = one(objects, "ServiceMonitor")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= one(objects, "Service")["metadata"]["labels"].items()
    assert one(objects, "Service")["metadata"]["labels"][monitor["jobLabel"]] == "detector"
