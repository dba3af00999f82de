"""What `make chaos` does to a server: each fault strikes, and mends itself where nobody else would."""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.serving import Server, children, descendants

Fault = Callable[["Victim"], None]
_BORNE_S = 60.0  # for what a server does by itself after a fault


class Victim:
    """A server, the folder of its versions, and the backend that is to be struck."""

    def __init__(self, server: Server, models: Path, chance: random.Random, *, full: Path | None) -> None:
        self.server, self.models, self.chance = server, models, chance
        self.full = full  # where a file can fill up the disk that the models are on; None: nowhere
        self.backend = "native"

    @property
    def folder(self) -> Path:
        """The files of the backend."""
        version = self.server.model()["version"]
        return self.models / (version if self.backend == "native" else f"{version}_{self.backend}")

    def signal(self, sig: signal.Signals) -> None:
        """Send a signal to its worker."""
        os.kill(self.server.worker_pid(self.backend), sig)

    def until(self, *states: str) -> None:
        """Wait until it is in one of these states, for as long as is bearable."""
        self.server.wait_until(
            lambda: self.server.model()["backends"][self.backend]["state"] in states, within_s=_BORNE_S
        )


def kill(victim: Victim) -> None:
    """Its worker is killed."""
    victim.signal(signal.SIGKILL)


def stop(victim: Victim) -> None:
    """Its worker is stopped; the server has to notice by itself."""
    pid = victim.server.worker_pid(victim.backend)
    os.kill(pid, signal.SIGSTOP)
    victim.server.wait_until(lambda: pid not in children(victim.server.process.pid), within_s=_BORNE_S)


def damage(victim: Victim) -> None:
    """One of its files is cut off, and its worker killed; nothing of it may be served until it is mended."""
    path = victim.chance.choice([each for each in victim.folder.rglob("*") if each.is_file() and each.stat().st_size])
    if "assets.extra" in path.parts:  # labels and such: no part of what is loaded
        return
    kept = path.read_bytes()
    path.write_bytes(kept[: len(kept) // 2])
    try:
        victim.signal(signal.SIGKILL)
        victim.until("refused")
    finally:
        path.write_bytes(kept)


def move(victim: Victim) -> None:
    """Its folder is away while its worker is killed."""
    folder = victim.folder
    away = folder.with_name(f"away-{folder.name}")
    folder.rename(away)
    try:
        victim.signal(signal.SIGKILL)
        victim.until("refused", "crashed")
        time.sleep(victim.chance.uniform(0, 2))
    finally:
        away.rename(folder)


def reload(victim: Victim) -> None:
    """It is loaded again."""
    victim.server.admin("POST", "/admin/reload", json={"backend": victim.backend})


def convert(victim: Victim) -> None:
    """A copy is made, and its converter killed or cancelled at some moment."""
    job = victim.server.convert(target="frozen")
    time.sleep(victim.chance.uniform(0.2, 12))
    if victim.chance.random() < 0.5:
        victim.server.admin("DELETE", f"/convert/jobs/{job['id']}")
    else:
        for pid in descendants(victim.server.process.pid):
            command = Path(f"/proc/{pid}/cmdline").read_bytes() if Path(f"/proc/{pid}").exists() else b""
            if b"\0converter\0" in command or b"converter.targets" in command:
                os.kill(pid, signal.SIGKILL)
                break
    victim.server.wait_until(lambda: _ended(victim.server), within_s=_BORNE_S)


def version(victim: Victim) -> None:
    """A new version is put there and loaded; its copies are made again."""
    now = victim.server.model()["version"]
    beside = victim.models / "being-written"
    shutil.copytree(victim.models / now, beside)
    beside.rename(victim.models / str(int(now) + 1))
    victim.server.admin("POST", "/admin/reload", json={"backend": "native"})


def fill(victim: Victim) -> None:
    """The disk is full while a copy is made."""
    if victim.full is None:
        return
    with filled(victim.full):
        victim.server.convert(target="frozen")
        victim.server.wait_until(lambda: _ended(victim.server), within_s=2 * _BORNE_S)


FAULTS: dict[str, Fault] = {each.__name__: each for each in (kill, stop, damage, move, reload, convert, version, fill)}


@contextmanager
def filled(path: Path) -> Iterator[None]:
    """A file takes all room that there is on its disk."""
    try:
        with path.open("wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
            except OSError:
                pass  # it is full
        yield
    finally:
        path.unlink(missing_ok=True)


def _ended(server: Server) -> bool:
    return all(job["finished"] for job in server.admin("GET", "/convert/jobs").json())
