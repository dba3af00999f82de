"""The whole server over workers without a model: `python -m benchmarks.stub_server`, with settings as ever."""

import os
from functools import partial

from app import logs
from app.backends.worker import start_program
from app.main import create_app
from app.server import DrainingServer
from app.settings import Settings
from converter.machine import memory

STUB, PROGRAM = "stub", "benchmarks.stub_worker"

if __name__ == "__main__":
    memory.give_back_early()
    settings = Settings.from_env(os.environ)
    logs.set_up(settings.log_level, form=settings.log_format, requests=settings.request_log)
    DrainingServer(create_app(settings, start_backend=partial(start_program, PROGRAM)), settings).run()
