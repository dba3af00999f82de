"""What every call goes through: tokens, limits, errors, metrics, deadlines."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse
from open_inference.grpc import protocol

from app.rpc.calls import INFERENCE, PUBLIC
from app.rpc.health import WATCHING
from benchmarks.serving import free_port
from converter.machine import cores
from converter.model.detections import Detections
from tests.app.api.conftest import starting
from tests.app.rpc.conftest import ELEMENT, METHODS, PHOTO, Client, error_of, infer
from tests.support.fakes import until

pytestmark = pytest.mark.anyio

INFER = f"/{INFERENCE}/ModelInfer"


async def test_each_method_is_public_or_needs_the_token(connect: Any) -> None:
    client = await connect(token="sesame")
    for method in METHODS:
        if f"/{INFERENCE}/{method}" in PUBLIC:
            await client.call(method)
        else:
            assert (await client.refused(method))[0] == "UNAUTHENTICATED"
            wrong = await client.refused(method, metadata=[("authorization", "Bearer wrong")])
            assert wrong == ("PERMISSION_DENIED", "the token is wrong")
            twice = await client.refused(method, metadata=[("authorization", "Bearer sesame")] * 2)
            assert twice == ("INVALID_ARGUMENT", "the call has more than one authorization")
    assert await client.healthy() == HealthCheckResponse.SERVING
    await client.call("ModelInfer", infer(raw=[ELEMENT]), metadata=[("authorization", "Bearer sesame")])


async def test_a_message_is_as_large_as_a_body_at_most(connect: Any, caplog: pytest.LogCaptureFixture) -> None:
    client: Client = await connect(max_body_bytes=100_000)
    room = 100_000 - infer(contents=[bytes(99_000)]).ByteSize() + 99_000
    assert (await client.refused("ModelInfer", infer(contents=[bytes(room)])))[0] == "INVALID_ARGUMENT"
    assert (await client.refused("ModelInfer", infer(contents=[bytes(room + 1)])))[0] == "RESOURCE_EXHAUSTED"
    await client.api.until_metric("detector_request_duration_seconds_count", 1, route=INFER, code="499")
    assert not caplog.records


async def test_calls_are_queued_and_counted_like_requests(connect: Any) -> None:
    client: Client = await connect(queue_limit=1, batches_in_flight=1)
    native = client.api.native
    native.open_gate.clear()
    message = infer(contents=[PHOTO])
    calls = [asyncio.create_task(client.call("ModelInfer", message)) for _ in range(2)]
    await until(lambda: len(native.batches) == 2)
    calls.append(asyncio.create_task(client.call("ModelInfer", message)))  # now it is the one that waits
    await client.api.until_metric("detector_queue_depth", 1, backend="native")
    with pytest.raises(grpc.aio.AioRpcError, match="RESOURCE_EXHAUSTED") as refused:
        await client.call("ModelInfer", message)
    assert dict(refused.value.trailing_metadata() or ())["retry-after"] == "1"
    calls[-1].cancel()  # its client has left: what waits for it is never run
    await client.api.until_metric("detector_queue_depth", 0, backend="native")
    native.open_gate.set()
    await asyncio.gather(*calls[:2])
    for code, count in (("200", 2), ("429", 1), ("499", 1)):
        name = "detector_request_duration_seconds_count"
        assert await client.api.metric(name, route=INFER, code=code) == count
    assert await client.api.metric("detector_images_total", result="ok") == 2


async def test_a_bug_is_told_in_a_sentence_and_its_words_stay_in_the_log(
    connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client: Client = await connect()

    def bug(image: object) -> Detections:
        raise ZeroDivisionError("inner words")

    client.api.native.answer = bug
    code, sentence = await client.refused("ModelInfer", infer(contents=[PHOTO]))
    assert (code, sentence) == ("INTERNAL", "the server failed on this call; its log says more")
    assert "inner words" in caplog.text


async def test_a_deadline_holds_and_a_stopping_server_is_not_ready(connect: Any) -> None:
    client: Client = await connect()
    client.api.native.open_gate.clear()
    ask = client._channel.unary_unary(
        f"/{INFERENCE}/ModelInfer", request_serializer=protocol.ModelInferRequest.SerializeToString
    )
    with pytest.raises(grpc.aio.AioRpcError, match="DEADLINE_EXCEEDED"):
        await ask(infer(contents=[PHOTO]), timeout=0.2)
    client.api.native.open_gate.set()
    client.api.app.state.health.draining = True
    assert not (await client.call("ServerReady")).ready
    assert await client.healthy() == HealthCheckResponse.NOT_SERVING


@pytest.mark.parametrize("method", METHODS)
async def test_bytes_that_are_no_message_are_the_callers_fault(
    method: str, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    call = await client.begin(f"/{INFERENCE}/{method}", b"\xff\xff")
    await call.done_writing()
    if f"/{INFERENCE}/{method}" in PUBLIC:
        await call
    else:
        assert await error_of(call) == ("INVALID_ARGUMENT", f"the message is no inference.{method}Request")
    assert not caplog.records


async def test_a_message_that_does_not_come_ends_the_call(connect: Any) -> None:
    client: Client = await connect(request_seconds=0.02)
    slow = await error_of(await client.begin(INFER))
    assert slow == ("DEADLINE_EXCEEDED", "the call's message did not arrive within 0.12 s")
    assert await client.api.metric("detector_request_duration_seconds_count", route=INFER, code="408") == 1


async def test_a_token_is_asked_for_before_the_message_is_read(connect: Any) -> None:
    client: Client = await connect(token="sesame")
    assert (await error_of(await client.begin(INFER)))[0] == "UNAUTHENTICATED"


async def under_way(client: Client, count: int) -> tuple[list[Any], tuple[str, str]]:
    """So many calls that wait for their message, and the error of one more.

    One that arrives beside the call that asks may be refused itself: another one is begun in its place.
    """
    calls, over = list[Any](), ("NOT_FOUND", "")
    while over[0] == "NOT_FOUND":  # not all of them are there yet
        calls = [call for call in calls if not call.done()]
        calls += [await client.begin(INFER) for _ in range(count - len(calls))]
        over = await client.refused("ModelReady")
    return calls, over


async def test_probes_are_answered_beside_as_many_calls_as_there_may_be(connect: Any) -> None:
    client: Client = await connect(queue_limit=1, max_batch=1)
    calls, over = await under_way(client, 3)
    assert over == ("RESOURCE_EXHAUSTED", "3 calls are under way already; the limit is 3")
    assert (await client.call("ServerReady")).ready
    assert await (await client.begin(f"/{INFERENCE}/ServerLive"))  # nothing is waited for
    assert await client.healthy() == HealthCheckResponse.SERVING
    for call in calls:
        await call.done_writing()
        assert await error_of(call) == ("INVALID_ARGUMENT", "the call has no message")


@pytest.mark.skipif(cores.usable() < 2, reason="two workers need two cores")
async def test_each_worker_may_have_two_batches_of_calls(connect: Any) -> None:
    client: Client = await connect(queue_limit=1, max_batch=1, replicas=2)
    calls, over = await under_way(client, 5)
    assert over == ("RESOURCE_EXHAUSTED", "5 calls are under way already; the limit is 5")
    for call in calls:
        await call.done_writing()
        assert (await error_of(call))[0] == "INVALID_ARGUMENT"


async def test_health_is_watched_by_a_bounded_number_of_clients(connect: Any) -> None:
    client: Client = await connect()
    watching = [client.watch() for _ in range(WATCHING)]
    assert {(await anext(each)).status for each in watching} == {HealthCheckResponse.SERVING}
    assert await error_of(anext(client.watch())) == ("RESOURCE_EXHAUSTED", f"{WATCHING} clients watch already")
    client.api.app.state.health.draining = True
    assert (await anext(watching[0])).status == HealthCheckResponse.NOT_SERVING


async def test_who_watches_does_not_hold_the_end_up(shared_model: Path) -> None:
    bind = f"127.0.0.1:{free_port()}"
    async with grpc.aio.insecure_channel(bind) as channel, asyncio.timeout(10):
        async with starting(shared_model) as start:
            watching = Client(await start(grpc_bind=bind), channel).watch()
            await anext(watching)
        assert [each async for each in watching] == []
