"""The same must be said of every backend at /model, at /compare and at /metrics."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.serving import Server

WARM = ("standby", "active")
TRIES = 50
Labels = frozenset[tuple[str, str]]


def same_everywhere(server: Server) -> Any:
    """What /model says; /compare and /metrics, asked in the same moment, must say the same."""
    with server.client as client:
        for _ in range(TRIES):
            model = client.get("/model").json()
            compare, metrics = client.get("/compare").json(), client.get("/metrics").text
            if client.get("/model").json() == model:  # else something has changed meanwhile
                assert_same(model, compare, metrics)
                return model
    raise AssertionError("it changes all the time")


def assert_same(model: dict[str, Any], compare: dict[str, Any], metrics: str) -> None:
    """State, reason, verdict and rollback of each backend, and who answers `auto`."""
    shown = _samples(metrics)
    assert model["active"] == compare["active"]
    assert {"native", *compare["copies"]} == set(model["backends"])
    for name, told in model["backends"].items():
        other = compare["native"] if name == "native" else compare["copies"][name]
        fields = ("state", "reason") if name == "native" else ("state", "reason", "verdict", "rolled_back")
        assert {field: told[field] for field in fields} == {field: other[field] for field in fields}
        assert _present(shown, "detector_backend_state", "state", backend=name) == [told["state"]]
        assert shown["detector_backend_ready"][_labels(backend=name)] == (told["state"] in WARM)
        assert shown["detector_backend_active"][_labels(backend=name)] == (name == model["active"])
        assert (told["state"] == "active") == (name == model["active"])
        if name != "native":
            word = told["verdict"]["verdict"] if told["verdict"] else "none"
            assert _present(shown, "detector_gate_verdict", "verdict", copy=name) == [word]
            _assert_reason_fits(told, word)


def _assert_reason_fits(told: dict[str, Any], word: str) -> None:
    """A copy in standby says the one thing that keeps it there."""
    if told["state"] == "standby" and told["rolled_back"]:
        assert told["reason"] == f"rolled back: {told['rolled_back']}"
    elif told["state"] == "standby" and word not in ("none", "passed"):
        assert told["reason"] == f"{word}: {told['verdict']['reason']}"
    if word == "none":
        assert told["verdict"] is None


def _samples(text: str) -> dict[str, dict[Labels, float]]:
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return found


def _present(shown: dict[str, dict[Labels, float]], name: str, label: str, **labels: str) -> list[str]:
    """The values of `label` whose sample is 1, among those that have these labels."""
    wanted = _labels(**labels)
    return [dict(have)[label] for have, value in shown[name].items() if wanted <= have and value]


def _labels(**labels: str) -> Labels:
    return frozenset(labels.items())
