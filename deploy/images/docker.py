"""Docker as the engine, by its command line."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from deploy.images.engine import ROOT, STOP_S, TAG, Config, Done, ask, carry_out

# As in docker-compose.yml; the port is any that is free.
CONFINED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true")


@dataclass(frozen=True)
class Docker:
    """The engine that the `docker` command reaches."""

    program: str = "docker"

    def build(self, target: str) -> None:
        """Build it with the caches that the engine has."""
        tag = TAG.format(target=target)
        carry_out(self.program, "build", "--target", target, "--tag", tag, ROOT, DOCKER_BUILDKIT="1")

    def describe(self) -> list[str]:
        """The engine and its version."""
        return [f"engine: {ask(self.program, '--version')}"]

    def config(self, target: str) -> Config:
        """From `image inspect`."""
        return Config.read(self._inspect(target)["Config"])

    def size_bytes(self, target: str) -> int:
        """As the engine counts it: all layers, the base's too."""
        return int(self._inspect(target)["Size"])

    def run(self, target: str, command: Sequence[str]) -> Done:
        """In a container that is removed at once."""
        program, *arguments = command
        words = [self.program, "run", "--rm", *CONFINED, "--entrypoint", program, TAG.format(target=target)]
        return subprocess.run([*words, *arguments], capture_output=True, text=True)

    @contextmanager
    def serve(self, target: str) -> Iterator["DockerServer"]:
        """With the image's own port, published on a free one of this machine, and an unnamed volume at /cache."""
        port = ("--publish", "127.0.0.1::8000")
        name = ask(self.program, "run", "--detach", *CONFINED, *port, TAG.format(target=target))
        try:
            address = ask(self.program, "port", name, "8000/tcp").splitlines()[0]
            yield DockerServer(self.program, name, f"http://{address}")
        finally:
            ask(self.program, "rm", "--force", "--volumes", name)

    def _inspect(self, target: str) -> dict[str, Any]:
        [told] = json.loads(ask(self.program, "image", "inspect", TAG.format(target=target)))
        return dict(told)


@dataclass(frozen=True)
class DockerServer:
    """A container of the server's."""

    program: str
    name: str
    url: str

    def run(self, command: Sequence[str]) -> Done:
        """By `exec`, as HEALTHCHECK is run."""
        return subprocess.run([self.program, "exec", self.name, *command], capture_output=True, text=True)

    def exit_code(self) -> int | None:
        """As the engine has it."""
        running, code = ask(
            self.program, "inspect", "--format", "{{.State.Running}} {{.State.ExitCode}}", self.name
        ).split()
        return None if running == "true" else int(code)

    def stop(self) -> int:
        """The server is the container's first process, so it gets the signal itself."""
        ask(self.program, "kill", "--signal", "TERM", self.name)
        waiting = [self.program, "wait", self.name]
        done = subprocess.run(waiting, capture_output=True, text=True, timeout=STOP_S, check=True)
        return int(done.stdout)

    def log(self) -> str:
        """Of both streams."""
        done = subprocess.run([self.program, "logs", self.name], capture_output=True, text=True)
        return done.stdout + done.stderr
