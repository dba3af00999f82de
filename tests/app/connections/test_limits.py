import math
from dataclasses import fields

import pytest

from app.connections.limits import Limits, backlog_by, connections_by
from app.settings import Settings


@pytest.mark.parametrize(
    ("files", "connections", "backlog"),
    [(20, 8, 8), (64, 16, 8), (1024, 856, 128), (65536, 4096, 2048), (math.inf, 4096, 2048)],
)
def test_connections_leave_handles_for_workers_and_for_those_that_come_at_once(
    files: float, connections: int, backlog: int
) -> None:
    assert connections_by(files) == connections
    assert backlog_by(files, connections=connections) == backlog


def test_the_rate_is_the_one_that_the_setting_names() -> None:
    rate = next(field.default for field in fields(Limits) if field.name == "body_rate")
    assert f"{rate:,.0f} bytes/s" in (Settings.model_fields["request_seconds"].description or "")
