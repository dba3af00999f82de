"""A slot in front of fake workers."""

from app.lanes.slot import Slot
from app.metrics import Metrics
from tests.support.app.phases import Phases
from tests.support.fakes import FakeBackend, FakeStarter


class SlotSetup:
    """A slot and what has happened to it, in order."""

    def __init__(self, phases: Phases, *failures: Exception) -> None:
        self.starter, self.metrics = FakeStarter(*failures), Metrics()
        self._phases = phases
        self.slot = Slot("trt", self.starter, self.metrics)

    @property
    def phase(self) -> str:
        return self.slot.phase.name

    @property
    def reason(self) -> str:
        return self.slot.phase.reason

    @property
    def phases(self) -> list[str]:
        return self._phases.of("trt")

    @property
    def told(self) -> list[str]:
        """The reason of each phase."""
        return self._phases.reasons("trt")

    def restarts(self, reason: str) -> float:
        labels = {"backend": "trt", "reason": reason}
        return self.metrics.registry.get_sample_value("detector_worker_restarts_total", labels) or 0

    def die(self, *, pause_s: float) -> None:
        """The newest worker dies; after the pause the same model is started again."""
        self.slot.replicas[0].pause_s = pause_s
        self.newest.die()

    @property
    def newest(self) -> FakeBackend:
        return self.starter.started[-1]
