"""What pip needs to reach its index from this machine, lent to a build as the home of its root user.

A builder that is on a network with certificates, a proxy or an index of its own gives them to pip by `pip config`;
the build gets them by a read-only volume over a folder that every image has, so no image keeps anything of it.
"""

import ast
import os
import shutil
import sys
from pathlib import Path

from deploy.images.engine import ask

HOME = "/root"
FOLDER = ".config/pip"
# Of pip's settings those that say how the index is reached.
REACHING = ("cert", "extra-index-url", "index-url", "proxy", "retries", "timeout", "trusted-host")


def builder_home(folder: Path) -> Path:
    """Make the folder; it holds the settings and the certificates that they name."""
    settings = folder / FOLDER
    settings.mkdir(parents=True, exist_ok=True)
    chosen = reaching(ask(os.environ.get("PYTHON", sys.executable), "-m", "pip", "config", "list"))
    if certificates := chosen.get("cert"):
        shutil.copyfile(certificates, settings / "certificates.pem")
        chosen["cert"] = f"{HOME}/{FOLDER}/certificates.pem"
    lines = ["[global]", *(f"{name} = {value}" for name, value in sorted(chosen.items()))]
    (settings / "pip.conf").write_text("\n".join(lines) + "\n")
    return folder


def reaching(listed: str) -> dict[str, str]:
    """Out of what `pip config list` writes; what names files of this machine, but for certificates, is left out."""
    found: dict[str, str] = {}
    for line in sorted(listed.splitlines(), key=lambda line: not line.startswith("global.")):
        name, _, quoted = line.partition("=")
        name = name.rpartition(".")[2]
        words = str(ast.literal_eval(quoted)).split()
        values = [word for word in words if name == "cert" or "/" not in word or word.startswith(("http:", "https:"))]
        if name in REACHING and values:
            found[name] = " ".join(values)
    return found
