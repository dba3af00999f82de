"""An nvidia-smi for machines without one: a script that answers some queries as the real one would."""

import shlex
from collections.abc import Mapping
from pathlib import Path


def put_smi(folder: Path, answers: Mapping[str, str]) -> None:
    """Write it to `folder`, for PATH; `answers` by query, like gpu=driver_version. It fails for every other query."""
    cases = [
        f"{shlex.quote('--query-' + query)}) printf '%s\\n' {shlex.quote(text)} ;;" for query, text in answers.items()
    ]
    script = ["#!/bin/sh", 'case "$1" in', *cases, "*) echo 'No devices were found'; exit 6 ;;", "esac"]
    path = folder / "nvidia-smi"
    path.write_text("\n".join(script) + "\n")
    path.chmod(0o755)
