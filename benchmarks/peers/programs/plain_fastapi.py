"""FastAPI with a handler that calls the model in a thread, as many at once as keep the cores busy."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvicorn
from fastapi import FastAPI, Request

from benchmarks.peers.programs.model import IN_FLIGHT, Model

model = Model(sys.argv[1])
threads = ThreadPoolExecutor(IN_FLIGHT)
app = FastAPI()


@app.post("/detect")
async def detect(request: Request) -> list[dict[str, Any]]:
    """The objects in one picture."""
    jpeg = await request.body()
    (found,) = await asyncio.get_running_loop().run_in_executor(threads, model.detect, [jpeg])
    return found


uvicorn.run(app, port=int(sys.argv[2]), log_level="critical", access_log=False)
