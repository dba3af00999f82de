"""Every start of a worker passes a door: a copy's files and identity, and the served model's files, are looked at."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from app.errors import NotLoaded
from tests.support.app.comparing import ServerSetup, numbered
from tests.support.app.copying import PLAIN, Copying, ReplacingStarter
from tests.support.fakes import until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Copying]:
    made = Copying(tmp_path, PLAIN, wanted=("frozen",), convert=False)
    yield made
    await made.close()


def damage(bench: Copying) -> None:
    (bench.location("frozen") / "saved_model.pb").write_text("another graph")


def change_model(bench: Copying) -> None:
    (bench.source / "saved_model.pb").write_text("another model")


@pytest.mark.parametrize(("harm", "word"), [(damage, "damaged"), (change_model, "identity")])
async def test_a_restart_of_a_copy_that_changed_is_refused_until_it_is_mended(
    harm: Callable[[Copying], None], word: str, bench: Copying
) -> None:
    bench.put("frozen")
    kept = {path: path.read_bytes() for path in bench.source.parent.rglob("*.pb")}
    await bench.prepare()
    bench.slots["frozen"].replicas[0].pause_s = 0.001
    harm(bench)
    bench.starter.started[0].die()
    await until(lambda: bench.told("frozen")[0] == "refused")
    assert bench.told("frozen")[1].startswith(f"{word}: 1_frozen ")
    assert len(bench.starter.asked) == 1, "no worker was started for it"
    for path, data in kept.items():
        path.write_bytes(data)
    await until(lambda: bench.told("frozen")[0] == "ready")
    assert len(bench.judge.asked) == 1, "it is what has its verdict already"


async def test_another_copy_in_its_place_is_judged_before_it_serves(bench: Copying) -> None:
    bench.put("frozen", report=False)
    await bench.prepare()
    bench.slots["frozen"].replicas[0].pause_s = 0.001
    damage(bench)
    bench.starter.started[0].die()
    await until(lambda: bench.told("frozen")[0] == "ready" and len(bench.starter.started) == 2)
    assert bench.judge.asked == bench.starter.started


async def test_names_that_the_model_gives_meanwhile_make_it_no_new_version(bench: Copying) -> None:
    bench.put("frozen")
    bench.starter = ReplacingStarter(lambda: bench.served.learn("1", {7: "train"}), times=1)
    await bench.prepare()
    assert (bench.told("frozen")[0], bench.served.now.labels) == ("ready", {7: "train"})


async def test_a_copy_of_a_model_that_is_served_no_more_is_not_let_in(bench: Copying) -> None:
    bench.put("frozen")
    model = bench.served.now
    bench.starter = ReplacingStarter(lambda: bench.served.switch_to(model, "e" * 64), times=1)
    await bench.prepare()
    assert bench.told("frozen") == ("refused", "does_not_run: a new version of the model has been loaded meanwhile")


@pytest.fixture
async def server(saved_model: Path) -> AsyncIterator[ServerSetup]:
    made = ServerSetup(saved_model)
    await made.parts.versions.open()
    made.routing.lanes["native"].slot.replicas[0].pause_s = 0.001
    yield made
    await made.parts.versions.close()
    await made.close()


async def test_a_model_that_changed_in_its_place_is_served_when_somebody_says_so(
    server: ServerSetup, saved_model: Path
) -> None:
    versions, before = server.parts.versions, server.parts.served.sha256
    with pytest.raises(NotLoaded, match="is served already"):
        await versions.load()
    away = (saved_model / "1").rename(saved_model / "elsewhere")
    await server.crash("native", pause_s=20)
    with pytest.raises(NotLoaded, match="not a SavedModel"):
        await versions.load()
    away.rename(saved_model / "1")
    await versions.load()
    assert (server.told("native")[0], server.parts.served.sha256) == ("active", before)
    (saved_model / "1" / "saved_model.pb").write_text("another model")
    server.routing.lanes["native"].slot.replicas[0].pause_s = 0.001
    server.backend("native").die()
    await until(lambda: "are not those that version 1 was served with" in server.told("native")[1])
    await versions.load()
    assert server.told("native")[0] == "active"
    assert server.parts.served.sha256 != before


async def test_under_load_for_a_named_copy_a_new_version_is_loaded_all_the_same(
    server: ServerSetup, saved_model: Path
) -> None:
    await server.open("frozen")
    lane, frozen = server.routing.lanes["frozen"], server.backend("frozen")
    frozen.open_gate.clear()
    waiting = lane.batcher.submit(numbered(20))
    (saved_model / "1" / "saved_model.pb").write_text("another model")
    loading = asyncio.create_task(server.parts.versions.load())
    await until(lambda: not lane.slot.ready)
    assert not loading.done()
    frozen.open_gate.set()
    await asyncio.gather(*waiting)
    await loading
    assert (frozen.closed, server.told("frozen")[0]) == (True, "unavailable")
