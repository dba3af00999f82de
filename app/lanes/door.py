"""The door of a slot: what every worker must pass, the first one as well as each that is started after a death."""

from app.backends.backend import Backend, Spec


class Door:
    """Lets everybody in who runs `spec`; others look at the files, and at the fresh worker."""

    inspecting = ""  # the reason that an empty slot gives while a fresh worker is looked at

    def __init__(self, spec: Spec) -> None:
        self._spec = spec

    async def spec(self) -> Spec:
        """How the worker is to be started; ModelRefused or CopyRefused if nothing that is there may be."""
        return self._spec

    async def inspect(self, fresh: Backend, /) -> None:
        """Look at a worker before it is published; whatever this raises ends the worker."""
