"""Buildah as the engine: it builds without a daemon, in a chroot, and the images run from their mounted files."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.images.base_image import base_name, make_base, origin_of
from deploy.images.builder_home import HOME, builder_home
from deploy.images.engine import ROOT, TAG, Config, Done, NotFit, ask, carry_out
from deploy.images.mounted import MountedServer, Tree

DRIVERS = ("overlay", "vfs")  # the second one copies all files for each layer


@dataclass(frozen=True)
class Buildah:
    """Keeps its images in a store of its own. `work` is for what is needed only while it runs."""

    work: Path
    driver: str
    flags: tuple[str, ...] = field(repr=False)

    @classmethod
    def open(cls, store: Path, work: Path) -> "Buildah":
        """With the first storage driver that works here. NotFit if none does, or without root's rights."""
        if os.geteuid() != 0:
            raise NotFit("buildah mounts images here, which only root may: run it as root")
        failures = []
        for driver in DRIVERS:
            flags = ("--root", store / driver, "--runroot", work / driver, "--storage-driver", driver)
            engine = cls(work, driver, tuple(map(str, flags)))
            try:
                with engine.container("scratch"):
                    return engine
            except NotFit as error:
                failures.append(str(error))
        raise NotFit("; ".join(failures))

    def build(self, target: str) -> None:
        """Build it in a chroot; the builder's root has the machine's certificates and pip settings for its home."""
        if not origin_of(self):
            make_base(self)
        home = builder_home(self.work / "home")
        options = ("--isolation", "chroot", "--format", "docker", "--pull=false", "--volume", f"{home}:{HOME}:ro")
        tag = TAG.format(target=target)
        carry_out("buildah", *self.flags, "build", *options, "--target", target, "--tag", tag, ROOT)
        with self.container(tag) as root:
            lent = [path.relative_to(home) for path in home.rglob("*") if path.is_file()]
            left = [path for path in lent if (root / HOME[1:] / path).exists()]
        if left:
            raise NotFit(f"the image keeps what the builder was lent: {left[0]}")

    def describe(self) -> list[str]:
        """The engine, and where the base comes from."""
        version = ask("buildah", "--version")
        return [
            f"engine: {version}, chroot isolation, storage driver {self.driver}",
            f"base: {base_name()}, {origin_of(self)}",
        ]

    def config(self, target: str) -> Config:
        """From `inspect`."""
        return Config.read(self.inspect(TAG.format(target=target))["Docker"]["config"])

    def size_bytes(self, target: str) -> int:
        """The sum of its files."""
        with self.container(TAG.format(target=target)) as root:
            return int(ask("du", "--summarize", "--bytes", "--one-file-system", root).split()[0])

    def run(self, target: str, command: Sequence[str]) -> Done:
        """From the mounted files, with an empty /cache."""
        with self._tree(target) as tree:
            return tree.run(command)

    @contextmanager
    def serve(self, target: str) -> Iterator[MountedServer]:
        """From the mounted files, with an empty /cache."""
        with self._tree(target) as tree, tree.serve(self.work / "log") as server:
            yield server

    @contextmanager
    def container(self, image: str) -> Iterator[Path]:
        """The files of an image, or none of "scratch", where they can be read and written until the end."""
        name = self.ask("from", "--pull=false", image)
        try:
            yield Path(self.ask("mount", name))
        finally:
            self.ask("rm", name)

    def inspect(self, image: str) -> dict[str, Any]:
        """What it says of an image. NotFit if there is none."""
        return dict(json.loads(self.ask("inspect", "--type", "image", image)))

    def ask(self, *arguments: str | Path, timeout_s: float | None = None) -> str:
        """What buildah writes. NotFit if it fails."""
        return ask("buildah", *self.flags, *arguments, timeout_s=timeout_s)

    @contextmanager
    def _tree(self, target: str) -> Iterator[Tree]:
        config = self.config(target)
        cache = self.work / "cache"
        with self.container(TAG.format(target=target)) as root:
            cache.mkdir()
            user, _, group = config.user.partition(":")
            os.chown(cache, int(user), int(group))
            try:
                yield Tree(root, cache, config)
            finally:
                shutil.rmtree(cache)
