"""What is served, for protocols in which clients name the model and speak in the tensors of its signature."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from app.backends.served import Served
from app.choices import AUTO, BOTH, NATIVE
from app.errors import BackendUnavailable, BadParameter, NotFound
from app.model_folder import Model
from app.verdicts.health import Health
from app.verdicts.routing import Routing


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or an output of a signature."""

    name: str
    dtype: str  # TensorFlow's word
    shape: tuple[int | None, ...] | None  # None in it: any length


@dataclass(frozen=True, slots=True)
class Tensors:
    """The served signature as it is."""

    signature: str
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    picture: str  # the input that takes pictures
    roles: Mapping[str, str]  # what is read of the outputs, and their names
    convention: str
    unbatched: bool
    shared: frozenset[str]  # outputs that are for all pictures of a call

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Tensors":
        """What a worker tells, see `app.backends.tensors`."""
        inputs, outputs = ({name: _tensor(name, *each) for name, each in told[key].items()} for key in _SIDES)
        words = (told[key] for key in ("signature", "picture", "roles", "convention", "unbatched"))
        signature, picture, roles, convention, unbatched = words
        return cls(signature, inputs, outputs, picture, roles, convention, unbatched, frozenset(told["shared"]))


_SIDES = ("inputs", "outputs")


def _tensor(name: str, dtype: str, shape: list[int | None] | None) -> Tensor:
    return Tensor(name, dtype, None if shape is None else tuple(shape))


class Serving:
    """Knows the served model by its name, and which backend gives which outputs."""

    def __init__(self, served: Served, routing: Routing, health: Health) -> None:
        self.served, self._routing, self._health = served, routing, health

    def unready(self) -> str | None:
        """Why no backend is warm; None if one is."""
        return self._health.unready()

    def check_ready(self) -> None:
        """BackendUnavailable with the reason while no backend is warm."""
        if reason := self.unready():
            raise BackendUnavailable(reason, retry_after_s=2)

    def model(self, name: str, version: str | None = None) -> Model:
        """The served model, by this name; NotFound if it has another one or another version."""
        now = self.served.now
        if name != now.name:
            raise NotFound(f"there is no model {name[:100]!r}; the one that is served is {now.name!r}")
        if version not in (None, "", now.version):
            raise NotFound(f"version {str(version)[:40]!r} of {name!r} is not served; version {now.version!r} is")
        return now

    def tensors(self) -> Tensors:
        """The signature's; BackendUnavailable while native, which knows it, has not been loaded."""
        facts = self._routing.lanes[NATIVE].slot.facts
        if facts is None or not facts.tensors:
            raise self._routing.lanes[NATIVE].slot.unavailable()
        return Tensors.of(facts.tensors)

    def backend_for(self, outputs: Collection[str], backend: str) -> str:
        """Which backend is asked for these outputs: the one that is named; for `auto` native if another lacks some.

        BadParameter if the named one does not give them all.
        """
        if backend == BOTH:
            raise BadParameter("backend: tensors are those of one backend, not of both")
        if backend == AUTO:  # nobody knows yet of which size class the pictures are
            return NATIVE if any(self._missing(name, outputs) for name in self._routing.answers.values()) else AUTO
        if missing := self._missing(backend, outputs):
            raise BadParameter(f"backend: {backend!r} does not give the output {missing[0]!r}; native does")
        return backend

    def _missing(self, backend: str | None, outputs: Collection[str]) -> list[str]:
        """Which of the outputs a copy does not give."""
        facts = None if backend in (None, NATIVE) else self._routing.lanes[str(backend)].slot.facts
        return sorted(set(outputs).difference(facts.tensors.get("gives", ()))) if facts else []
