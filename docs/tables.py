"""The tables of the API and of the metrics, from what the server itself says of them."""

from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client.metrics import MetricWrapperBase

from app.api.access import ADMIN, PUBLIC, covers
from app.api.errors import STATUS
from app.api.parameters import Parameters
from app.main import create_app
from app.metrics import Metrics
from app.settings import Settings
from docs.markdown import code, table
from docs.schema import values

_OTHERS = "Others"
_TITLES = {  # of the groups of routes, by how their paths begin; the first that fits
    "/detect": "Detections",
    "/v1/models": "As TensorFlow Serving",
    "/v2": "As KServe and Triton: the Open Inference Protocol",
    "/v1/vision": "As DeepStack and CodeProject.AI",
    "/models": "As Hugging Face's object detection",
    "/model": "What is served, and its state",
    "/compare": "What is served, and its state",
    "/healthz": "Health",
    "/readyz": "Health",
    "/startupz": "Health",
    "/metrics": "Health",
    "/convert": "Administration",
    "/admin": "Administration",
    "/samples": "Sample photos",
}


def routes() -> str:
    """A table of the routes for each group, as the OpenAPI document has them."""
    paths = create_app(Settings(copies=())).openapi()["paths"]
    groups: dict[str, list[tuple[str, str, str]]] = {title: [] for title in _TITLES.values()}
    for path, methods in paths.items():
        title = next((title for start, title in _TITLES.items() if path.startswith(start)), _OTHERS)
        groups.setdefault(title, []).extend([_route(path, method, operation) for method, operation in methods.items()])
    head = ("route", "needs", "what it does")
    return "\n\n".join(f"### {title}\n\n{table(head, rows)}" for title, rows in groups.items())


def _route(path: str, method: str, operation: dict[str, Any]) -> tuple[str, str, str]:
    needs = "" if covers(PUBLIC, path) else "admin" if covers(ADMIN, path) else "token"
    return code(f"{method.upper()} {path}"), needs, operation["summary"]


def parameters() -> str:
    """The parameters of /detect."""
    schemas = Parameters.model_json_schema()["properties"]
    rows = [(code(name), values(each), _default(each), each["description"]) for name, each in schemas.items()]
    return table(("parameter", "values", "default", "meaning"), rows)


def _default(schema: dict[str, Any]) -> str:
    default = schema.get("default")
    return "" if default in (None, []) else code(str(default).lower() if isinstance(default, bool) else str(default))


def errors() -> str:
    """The errors of the API by status."""
    found = sorted(STATUS.items(), key=lambda each: each[1])
    return table(
        ("status", "code", "meaning"), [(str(status), code(error.code), _sentence(error)) for error, status in found]
    )


def _sentence(error: type[Exception]) -> str:
    return " ".join((error.__doc__ or "").split())


def metrics() -> str:
    """All series, by name."""
    head = ("series", "type", "labels", "meaning")
    return table(head, sorted(_families(Metrics())))


def _families(metrics: Metrics) -> Iterator[tuple[str, ...]]:
    for each in vars(metrics).values():
        if isinstance(each, MetricWrapperBase):
            yield _family(next(iter(each.describe())), each._labelnames)
    for family in metrics.processes.describe():
        yield _family(family, family._labelnames)


def _family(family: Any, labels: Sequence[str]) -> tuple[str, ...]:
    name = family.name + ("_total" if family.type == "counter" else "")
    return code(name), family.type, code(*labels), family.documentation
