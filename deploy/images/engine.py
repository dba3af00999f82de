"""What the check asks of an engine, whichever builds and runs the images."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

ROOT = Path(__file__).resolve().parents[2]
TAG = "detection-server:{target}"
# The server drains for 5 s and then answers what it has taken; compose grants it as long.
STOP_S = 45

Done = subprocess.CompletedProcess[str]


class NotFit(Exception):
    """Why an image can't be built, or should not be published; one sentence."""


@dataclass(frozen=True)
class Config:
    """What an image says of how it is run; both engines tell it in Docker's words."""

    user: str
    folder: str
    command: tuple[str, ...]
    environ: Mapping[str, str]
    volumes: tuple[str, ...]
    stop_signal: str
    health: tuple[str, ...]  # the command of its HEALTHCHECK, which has no shell

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Self:
        """From what the engine's `inspect` shows as the image's configuration. NotFit without a HEALTHCHECK."""
        kind, *health = (told.get("Healthcheck") or {}).get("Test") or [""]
        if kind != "CMD":
            raise NotFit("the image has no HEALTHCHECK that runs without a shell")
        return cls(
            user=told.get("User", ""),
            folder=told.get("WorkingDir", ""),
            command=(*(told.get("Entrypoint") or ()), *(told.get("Cmd") or ())),
            environ=dict(line.split("=", 1) for line in told.get("Env") or ()),
            volumes=tuple(told.get("Volumes") or ()),
            stop_signal=told.get("StopSignal", ""),
            health=tuple(health),
        )


class Running(Protocol):
    """A server that runs from an image."""

    @property
    def url(self) -> str:
        """Where this machine reaches it."""

    def run(self, command: Sequence[str]) -> Done:
        """Run a command beside the server, as the image's user."""

    def exit_code(self) -> int | None:
        """None while it runs."""

    def stop(self) -> int:
        """Send SIGTERM; the exit code. subprocess.TimeoutExpired if it is still there after STOP_S."""

    def log(self) -> str:
        """What it has written so far."""


class Engine(Protocol):
    """Builds an image of each target of the Dockerfile, and runs it as compose does: nothing but /tmp and /cache can
    be written, and no capabilities."""

    def build(self, target: str) -> None:
        """Build it from the beginning. NotFit if a step fails."""

    def describe(self) -> list[str]:
        """What a reader of the result must know of the engine; one fact a line."""

    def config(self, target: str) -> Config:
        """What the built image says of itself."""

    def size_bytes(self, target: str) -> int:
        """How much its files take, unpacked."""

    def run(self, target: str, command: Sequence[str]) -> Done:
        """Run a command in a container of its own, in place of the server."""

    def serve(self, target: str) -> AbstractContextManager[Running]:
        """The server with the image's own command; it is gone at the end."""


def ask(*command: str | Path, timeout_s: float | None = None) -> str:
    """What a command writes, without the last newline. NotFit with the end of its errors if it fails."""
    try:
        done = subprocess.run(
            [str(each) for each in command], capture_output=True, text=True, timeout=timeout_s, cwd=ROOT
        )
    except subprocess.TimeoutExpired as error:
        raise NotFit(f"{' '.join(map(str, command[:6]))} …: no answer after {error.timeout:.0f} s") from error
    except FileNotFoundError as error:
        raise NotFit(f"{command[0]} is not installed") from error
    if done.returncode != 0:
        raise NotFit(f"{' '.join(map(str, command[:6]))} …: {done.stderr.strip()[-500:]}")
    return done.stdout.removesuffix("\n")


def carry_out(*command: str | Path, **environ: str) -> None:
    """Run a command whose output, on standard error, is for whoever watches. NotFit if it fails."""
    try:
        done = subprocess.run(
            [str(each) for each in command], cwd=ROOT, env={**os.environ, **environ}, stdout=sys.stderr
        )
    except FileNotFoundError as error:
        raise NotFit(f"{command[0]} is not installed") from error
    if done.returncode != 0:
        raise NotFit(f"{command[0]} ended with {done.returncode}")
