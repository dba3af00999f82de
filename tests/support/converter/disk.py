"""A disk that is full soon: a small file system in memory, which the command that is run sees alone."""

import subprocess
from pathlib import Path

import pytest

from tests.support.converter.running import LONGEST_S, Done

# Size, folder, command: an old copy lies there before, and what lies there afterwards is told.
_SCRIPT = """
set -e; size=$1; folder=$2; shift 2
mount -t tmpfs -o size=$size none "$folder"; mkdir "$folder/1_trt"; echo old > "$folder/1_trt/saved_model.pb"
code=0; "$@" || code=$?
(cd "$folder" && find . -type f ! -name .hashes.json) >&2; exit $code
"""


def run_on_small_disk(folder: Path, command: list[str], environ: dict[str, str], *, size: str) -> Done:
    """Run `command` with a disk of this size at `folder`; the last lines of its standard error name what is left."""
    folder.mkdir()
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    try:
        subprocess.run([*namespace, "mount", "-t", "tmpfs", "none", str(folder)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs user namespaces in which file systems can be mounted (util-linux)")
    return subprocess.run(
        [*namespace, "sh", "-c", _SCRIPT, "sh", size, str(folder), *command],
        env=environ,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )


LEFT = ["./.1_trt.lock", "./1_trt/saved_model.pb"]
