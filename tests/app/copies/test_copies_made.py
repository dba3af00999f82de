"""Copies that are made, or loaded again, while the server runs: what serves serves on until the new one is warm."""

from dataclasses import replace

import pytest

from app.backends.backend import ModelRefused, WorkerDied
from app.copies.jobs import Job
from app.errors import NotLoaded
from app.images import Image
from converter.disk import checks
from converter.machine.environment import Environment
from tests.support.app.converting import Programs
from tests.support.app.copying import GPU, PLAIN, Copying, Make, ReplacingStarter
from tests.support.app.phases import Phases
from tests.support.fakes import until

pytestmark = pytest.mark.anyio

NO_ROOM = "there is not enough memory for two: the worker that serves now holds 700 MiB and 300 MiB are free"


async def converted(bench: Copying, target: str = "frozen") -> Job:
    """A conversion, as an admin starts one, that has ended."""
    job = bench.copies.convert(bench.folders.default_options(target))
    await bench.copies.converted()
    return job


async def serving(bench: Copying, street: Image) -> int:
    """Which of the workers that were started answers: 0 for the first."""
    counts = [len(backend.batches) for backend in bench.starter.started]
    await bench.slots["frozen"].run([street])
    return next(number for number, backend in enumerate(bench.starter.started) if len(backend.batches) > counts[number])


@pytest.mark.parametrize(("target", "found"), [("frozen", PLAIN), ("trt", GPU)])
async def test_a_missing_copy_is_made_and_stands_by(
    target: str, found: Environment, make: Make, phases: Phases
) -> None:
    bench = make(found, wanted=(target,), convert=True)
    await bench.prepare()
    (job,) = bench.conversions.jobs
    assert (job.state, job.reason, job.options) == ("succeeded", "", bench.folders.default_options(target))
    assert phases.of(target) == ["unavailable", "converting", "loading", "ready"]
    assert bench.told(target) == ("ready", "")


@pytest.mark.parametrize(("target", "found"), [("frozen", PLAIN), ("trt", GPU)])
async def test_a_refused_copy_is_made_again(target: str, found: Environment, make: Make, phases: Phases) -> None:
    bench = make(found, wanted=(target,), convert=True)
    bench.put(target, source_sha256="f" * 64)
    await bench.prepare()
    assert phases.of(target) == ["refused", "converting", "loading", "ready"]
    assert [job.state for job in bench.conversions.jobs] == ["succeeded"]


@pytest.mark.parametrize(
    ("order", "state"),
    [("native: fail", "refused"), ("save: SIGSEGV", "unavailable"), ("check: SIGABRT", "unavailable")],
)
async def test_a_copy_that_can_not_be_made_says_why(
    order: str, state: str, make: Make, phases: Phases, programs: Programs
) -> None:
    bench = make(convert=True)
    programs.order(order)
    await bench.prepare()
    (job,) = bench.conversions.jobs
    assert phases.of("frozen") == ["unavailable", "converting", state]
    assert bench.told("frozen") == (state, f"making the copy ended: {job.reason}")


async def test_an_empty_slot_tells_of_the_job_that_fills_it(make: Make, programs: Programs) -> None:
    bench = make()
    await bench.prepare()
    assert bench.told("frozen") == ("unavailable", "no copy has been made yet")
    programs.order("save: wait")
    job = bench.copies.convert(bench.folders.default_options("frozen"))
    await until(lambda: job.step == "save")
    assert bench.told("frozen") == ("converting", f"the copy is being made (job {job.id})")
    await bench.copies.cancel(job.id)
    assert bench.told("frozen") == ("unavailable", "making the copy ended: cancelled by an admin")


async def test_while_a_copy_serves_a_conversion_changes_nothing(
    make: Make, phases: Phases, programs: Programs, street: Image
) -> None:
    bench = make()
    bench.put("frozen")
    await bench.prepare()
    programs.order("save: wait")
    job = bench.copies.convert(bench.folders.default_options("frozen"))
    await until(lambda: job.step == "save")
    assert bench.told("frozen") == ("ready", "")
    await bench.copies.cancel(job.id)
    programs.order("save: fail")
    assert (await converted(bench)).state == "failed"
    assert phases.of("frozen") == ["loading", "ready"]
    assert await serving(bench, street) == 0


async def test_the_new_copy_takes_the_place_of_the_old_one(make: Make, street: Image) -> None:
    bench = make()
    bench.put("frozen")
    await bench.prepare()
    assert (await converted(bench)).state == "succeeded"
    assert [backend.closed for backend in bench.starter.started] == [True, False]
    assert bench.judge.asked == bench.starter.started
    assert await serving(bench, street) == 1
    assert bench.told("frozen") == ("ready", "")


@pytest.mark.parametrize(
    "failure", [ModelRefused("it has no signature"), WorkerDied("its process ended by SIGABRT"), NO_ROOM], ids=repr
)
async def test_a_new_copy_that_can_not_be_loaded_leaves_the_old_one(
    failure: Exception | str, make: Make, street: Image
) -> None:
    bench = make()
    bench.put("frozen")
    await bench.prepare()
    if isinstance(failure, str):
        bench.lacking = failure
    else:
        bench.starter.failures = [failure]
    job = await converted(bench)
    assert (job.state, job.reason) == ("failed", f"the copy was made, but the server could not load it: {failure}")
    assert job.report is not None
    assert bench.told("frozen") == ("ready", "")
    assert await serving(bench, street) == 0


async def test_room_is_asked_for_only_where_two_would_be(make: Make) -> None:
    bench = make(convert=True)
    bench.lacking = NO_ROOM
    await bench.prepare()
    assert bench.told("frozen")[0] == "ready"


async def test_a_first_copy_that_is_given_up_while_it_loads_says_so(make: Make) -> None:
    bench = make()
    await bench.prepare()
    bench.starter.open_gate.clear()
    job = bench.copies.convert(bench.folders.default_options("frozen"))
    await until(lambda: len(bench.starter.asked) == 1)
    assert (job.state, bench.told("frozen")[0]) == ("loading", "loading")
    assert job.doing == "loading the copy, and comparing it with native"
    await bench.copies.cancel(job.id)
    assert (job.state, bench.told("frozen")) == ("cancelled", ("unavailable", "loading it was given up"))


async def test_an_admin_who_is_quicker_than_the_start_is_waited_for(make: Make) -> None:
    bench = make(convert=True)
    job = bench.copies.convert(replace(bench.folders.default_options("frozen"), batch_sizes=(2,)))
    await bench.prepare()
    assert bench.conversions.jobs == [job], "it is not made a second time"
    assert (job.state, bench.told("frozen")[0]) == ("succeeded", "ready")


async def test_what_an_admin_had_made_is_loaded_at_the_next_start(make: Make) -> None:
    bench = make(GPU, wanted=("trt",))
    options = replace(bench.folders.default_options("trt"), minimum_segment_size=7, batch_sizes=(2,))
    bench.copies.convert(options)
    await bench.copies.converted()
    again = make(GPU, wanted=("trt",))
    await again.prepare()
    assert again.told("trt") == ("ready", "")
    assert again.starter.asked[0].batch_sizes == (2,)


async def test_a_copy_of_a_model_with_a_fixed_batch_belongs_here_at_the_next_start_too(
    make: Make, programs: Programs
) -> None:
    programs.fix_batch(1)
    bench = make(GPU, wanted=("trt",), convert=True)
    await bench.prepare()
    await bench.copies.reload("trt")
    again = make(GPU, wanted=("trt",))
    await again.prepare()
    assert again.told("trt") == ("ready", ""), "though it was asked for batches of 8 as well"
    assert again.starter.asked[0].batch_sizes == (1,)


@pytest.mark.parametrize(("times", "loaded"), [(1, 2), (9, 3)])
async def test_a_copy_replaced_by_another_server_while_it_is_loaded_is_loaded_again(
    times: int, loaded: int, make: Make
) -> None:
    bench = make()
    folder = bench.put("frozen")

    def replaced() -> None:
        report = replace(bench.report("frozen"), created=f"2026-11-25T09:00:0{len(bench.starter.asked)}+00:00")
        checks.add_report(folder, report)

    bench.starter = ReplacingStarter(replaced, times=times)
    await bench.prepare()
    assert [backend.closed for backend in bench.starter.started] == [True] * (loaded - 1) + [False]
    assert bench.told("frozen") == ("ready", "")


@pytest.mark.parametrize("serves", [False, True], ids=["nothing", "the old one"])
@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("remove", "there is no frozen copy at 1_frozen"),
        ("damage", "1_frozen is damaged: saved_model.pb is not the file that was written"),
        ("replace", "1_frozen belongs to something else: it was made with tensorflow 2.13.0, here it is 2.14.1"),
        ("refuse", "it has no signature"),
    ],
)
async def test_what_can_not_be_loaded_again_leaves_what_serves(
    serves: bool, harm: str, says: str, make: Make, street: Image
) -> None:
    bench = make()
    folder = bench.put("frozen")
    if serves:
        await bench.prepare()
    if harm == "remove":
        folder.rename(folder.with_name("elsewhere"))
    elif harm == "damage":
        (folder / "saved_model.pb").write_text("another graph")
    elif harm == "replace":
        bench.put("frozen", tensorflow="2.13.0")
    else:
        bench.starter.failures = [ModelRefused("it has no signature")]
    with pytest.raises(NotLoaded) as caught:
        await bench.copies.reload("frozen")
    assert says in str(caught.value)
    if serves:
        assert await serving(bench, street) == 0
    else:
        assert not bench.slots["frozen"].ready
