"""Copies of a model that can be converted without TensorFlow."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from converter.machine.environment import Environment
from tests.support.app.converting import Programs
from tests.support.app.copying import CARD, PLAIN, Copying, Make


@pytest.fixture
async def make(tmp_path: Path, programs: Programs) -> AsyncIterator[Make]:
    """Makes them as a server has them that finds this, and wants these."""
    made: list[Copying] = []

    def copies(
        found: Environment = PLAIN, *, wanted: tuple[str, ...] | None = ("frozen",), convert: bool = False
    ) -> Copying:
        if found.gpus:
            programs.on_a_gpu(CARD)
        made.append(Copying(tmp_path, found, wanted=wanted, convert=convert))
        return made[-1]

    yield copies
    for each in made:
        await each.close()
