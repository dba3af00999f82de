"""The server's parts, before anything is loaded and with a copy that answers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.app.comparing import ServerSetup, verdict
from tests.support.app.shadowing import Shadowed

WINDOW = 30  # pairs


@pytest.fixture
async def parts(saved_model: Path) -> AsyncIterator[ServerSetup]:
    """Nothing is loaded yet."""
    made = ServerSetup(saved_model, rollback_window=WINDOW)
    yield made
    await made.close()


@pytest.fixture
async def answering(parts: ServerSetup) -> ServerSetup:
    """Native and a frozen copy that passed, which answers; of its live pairs one in ten may be bad."""
    await parts.open("native", "frozen", verdicts={"frozen": verdict("passed")})
    assert parts.routing.active == "frozen"
    return parts


@pytest.fixture
async def bench(saved_model: Path) -> AsyncIterator[Shadowed]:
    """Native and a frozen copy, before anything is run again."""
    made = Shadowed(saved_model)
    await made.load("native", "frozen")
    yield made
    await made.close()
