"""A program: the whole server over backends that answer without a model; settings are read as ever."""

import os

from app import logs
from app.main import create_app
from app.server import DrainingServer
from app.settings import Settings
from tests.support.fakes import FakeStarter

settings = Settings.from_env(os.environ)
logs.set_up(settings.log_level, form=settings.log_format, requests=settings.request_log)
DrainingServer(create_app(settings, start_backend=FakeStarter()), settings).run()
