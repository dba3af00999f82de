"""The Serve application: `serve run deploy/ray/serve.yaml`. Each replica is the server that `python -m app serve` runs.

All settings are DETECTOR_* variables, as everywhere. How many cores or GPUs a replica gets stands in serve.yaml.
"""

import os

import ray
from ray import serve

from app import logs
from app.environ import forget_secrets
from app.settings import Settings
from deploy.ray import cores, replica


def build() -> replica.Ingress:
    """The app of a replica, built in its process; NoModel or WrongSetting if it can't be."""
    settings = Settings.from_env({"DETECTOR_BIND": replica.BIND, **os.environ})
    logs.set_up(settings.log_level, form=settings.log_format, requests=settings.request_log)
    forget_secrets(os.environ, but=settings.child_environment)
    assigned = ray.get_runtime_context().get_assigned_resources()
    return replica.build(settings, cores.take(int(assigned.get("CPU", 0))))


@serve.deployment
@serve.ingress(build)
class Detector:
    """One replica."""

    app: replica.Ingress  # Serve's wrapper gives it

    async def check_health(self) -> None:
        """Serve asks this again and again, and replaces a replica that raises NotReady several times in turn."""
        if reason := self.app.health.unready():
            raise replica.NotReady(reason)


application = Detector.bind()  # type: ignore[attr-defined]  # the decorator's
