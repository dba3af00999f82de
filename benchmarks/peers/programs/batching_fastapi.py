"""FastAPI with a micro-batcher by hand: two threads, each of which takes what waits and calls the model with it."""

import asyncio
import queue
import sys
import threading
from typing import Any

import uvicorn
from fastapi import FastAPI, Request

from benchmarks.peers.programs.model import IN_FLIGHT, Model

BATCH = 4  # so that eight callers fill both threads

model = Model(sys.argv[1])
waiting: queue.SimpleQueue[tuple[bytes, asyncio.Future[Any], asyncio.AbstractEventLoop]] = queue.SimpleQueue()
app = FastAPI()


@app.post("/detect")
async def detect(request: Request) -> list[dict[str, Any]]:
    """The objects in one picture."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[dict[str, Any]]] = loop.create_future()
    waiting.put((await request.body(), answer, loop))
    return await answer


def run_batches() -> None:
    """Call the model with what waits, for ever. A picture that can't be decoded fails those beside it."""
    while True:
        batch = [waiting.get()]
        while len(batch) < BATCH and not waiting.empty():
            try:
                batch.append(waiting.get_nowait())
            except queue.Empty:
                break
        try:
            found: list[Any] = model.detect([jpeg for jpeg, _, _ in batch])
        except Exception as error:
            found = [error] * len(batch)
        for (_, answer, loop), one in zip(batch, found, strict=True):
            loop.call_soon_threadsafe(settle, answer, one)


def settle(answer: asyncio.Future[Any], found: Any) -> None:
    """Give the caller its answer, if it still waits."""
    if answer.done():
        return
    if isinstance(found, Exception):
        answer.set_exception(found)
    else:
        answer.set_result(found)


for _ in range(IN_FLIGHT):
    threading.Thread(target=run_batches, daemon=True).start()
uvicorn.run(app, port=int(sys.argv[2]), log_level="critical", access_log=False)
