"""Runs the server from the mounted files of an image, with the namespaces and rights of a container.

Needs root and util-linux, no engine. As in a container without an init the server is process 1, so a signal that it
does not handle does not end it. The network and the names of hosts are the machine's own.
"""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.images.engine import STOP_S, Config, Done

# Its arguments: the image's files, the folder for /cache, the user, the command.
ENTER = """
root=$1 cache=$2 user=$3
shift 3
mount --make-rprivate /
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
for device in full null random urandom zero; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/shm"
mount -t tmpfs -o mode=1777,nosuid,nodev,size=64m,noexec tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=1777,nosuid,nodev,noexec tmpfs "$root/tmp"
mount --bind "$cache" "$root/cache"
mount --bind /etc/hosts "$root/etc/hosts"
exec setpriv --no-new-privs --bounding-set=-all,+sys_chroot,+setuid,+setgid chroot --userspec="$user" "$root" "$@"
"""
NAMESPACES = ("--mount", "--pid", "--ipc", "--uts")


@dataclass(frozen=True)
class Tree:
    """The files of an image, a folder for its /cache, and what it says of how it is run."""

    root: Path
    cache: Path
    config: Config

    def enter(self, command: Sequence[str], environ: Mapping[str, str]) -> list[str]:
        """The command line that runs a command as process 1 of a container."""
        inside = ["unshare", *NAMESPACES, "--fork", "sh", "-euc", ENTER, "enter"]
        start = ["env", "-i", f"--chdir={self.config.folder}", *assigned(environ), *command]
        return [*inside, str(self.root), str(self.cache), self.config.user, *start]

    def run(self, command: Sequence[str]) -> Done:
        """Run it with the image's variables, and wait."""
        return subprocess.run(self.enter(command, self.config.environ), capture_output=True, text=True)

    @contextmanager
    def serve(self, log: Path) -> Iterator["MountedServer"]:
        """The image's own command, which writes to `log`; the port is a free one, as the network is shared."""
        bind = f"127.0.0.1:{free_port()}"
        environ = {**self.config.environ, "DETECTOR_BIND": bind}
        with (
            log.open("wb") as file,
            subprocess.Popen(self.enter(self.config.command, environ), stdout=file, stderr=file) as process,
        ):
            server = MountedServer(process, f"http://{bind}", self.config.user, environ, log)
            try:
                yield server
            finally:
                server.kill()


@dataclass(frozen=True)
class MountedServer:
    """A server in namespaces of its own; `process` is the `unshare` that waits for it."""

    process: "subprocess.Popen[bytes]"
    url: str
    user: str
    environ: Mapping[str, str]
    log_file: Path

    def run(self, command: Sequence[str]) -> Done:
        """In the server's namespaces and folder, with its variables."""
        user, _, group = self.user.partition(":")
        rights = ("--root", "--wd", f"--setuid={user}", f"--setgid={group}")
        enter = ["nsenter", f"--target={self._first()}", *NAMESPACES, *rights]
        return subprocess.run([*enter, "env", "-i", *assigned(self.environ), *command], capture_output=True, text=True)

    def exit_code(self) -> int | None:
        """Of `unshare`, which ends as the server did."""
        return self.process.poll()

    def stop(self) -> int:
        """From outside the namespace, as an engine does it."""
        os.kill(self._first(), signal.SIGTERM)
        return self.process.wait(STOP_S)

    def kill(self) -> None:
        """At once, if it is still there; what it has started ends with it, as it is process 1 for them."""
        with suppress(OSError, ValueError):
            os.kill(self._first(), signal.SIGKILL)
        self.process.kill()

    def log(self) -> str:
        """Of both streams."""
        return self.log_file.read_text(errors="replace")

    def _first(self) -> int:
        """The process that is 1 inside, as this machine numbers it."""
        pid = self.process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


def assigned(environ: Mapping[str, str]) -> list[str]:
    """Variables as words for `env`."""
    return [f"{name}={value}" for name, value in environ.items()]


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
