"""The image that the Dockerfile starts from: pulled from its registry or, where there is none, made from Debian.

The stand-in has Debian's Python in place of the one that python.org's image compiles; a label of it, which the images
made from it inherit, says so.
"""

import re
import shutil
from typing import TYPE_CHECKING

from deploy.images.engine import ROOT, NotFit, ask, carry_out

if TYPE_CHECKING:
    from deploy.images.buildah import Buildah

PULL_S = 120
MIRROR = "http://deb.debian.org/debian"
PACKAGES = "ca-certificates,python-is-python3,python3-pip"
LABEL = "detection-server.base"
STAND_IN = "made from Debian {suite} with its Python by debootstrap, in place of the registry's"
# What debootstrap takes from this machine, and what only a package manager wants.
LEFT_OVER = ("etc/hostname", "etc/resolv.conf", "var/log/bootstrap.log")
CACHES = ("var/cache/apt/archives", "var/lib/apt/lists")


def base_name() -> str:
    """As the Dockerfile names it."""
    found = re.search(r"^FROM (\S+) AS base$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    if found is None:
        raise NotFit("the Dockerfile has no stage called base")
    return found[1]


def origin_of(engine: "Buildah") -> str:
    """Where the base in the store comes from; empty if there is none, in the store or in the registry."""
    name = f"docker.io/library/{base_name()}"
    try:
        told = engine.inspect(name)
    except NotFit:
        try:
            engine.ask("pull", name, timeout_s=PULL_S)
        except NotFit:
            return ""
        told = engine.inspect(name)
    labels = told["Docker"]["config"].get("Labels") or {}
    return str(labels.get(LABEL) or f"from its registry, {told['FromImageDigest']}")


def make_base(engine: "Buildah") -> None:
    """Make the stand-in and give it the base's name. NotFit if debootstrap is not there or fails."""
    name = base_name()
    suite = name.rpartition("-")[2]
    container = engine.ask("from", "scratch")
    try:
        root = engine.ask("mount", container)
        carry_out("debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, root, MIRROR)
        clean(root)
        settings = ("--env", f"PATH={search_path()}", "--env", "LANG=C.UTF-8", "--cmd", "python3")
        engine.ask("config", *settings, "--label", f"{LABEL}={STAND_IN.format(suite=suite)}", container)
        engine.ask("commit", "--format", "docker", container, f"docker.io/library/{name}")
    finally:
        engine.ask("rm", container)


def clean(root: str) -> None:
    """Take out what is not a part of Debian."""
    ask("rm", "--force", *(f"{root}/{each}" for each in LEFT_OVER))
    for each in CACHES:
        shutil.rmtree(f"{root}/{each}")
        ask("mkdir", f"{root}/{each}")


def search_path() -> str:
    """As in the image that it stands for."""
    return ":".join(f"{prefix}/{kind}" for prefix in ("/usr/local", "/usr", "") for kind in ("sbin", "bin"))
