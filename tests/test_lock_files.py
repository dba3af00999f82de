"""The locks hold on every platform that they are for: each is resolved there, by what has a wheel, with its hashes."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.places import ROOT

UV = ROOT / ".venv-clients" / "bin" / "uv"
PLATFORMS = {
    "x86_64-manylinux_2_28": "tensorflow",
    "aarch64-manylinux_2_28": "tensorflow-cpu-aws",
    "aarch64-apple-darwin": "tensorflow-macos",
}


@pytest.mark.system
@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_servers_lock_can_be_installed_there(platform: str, tmp_path: Path) -> None:
    """Only resolved, by the wheels' own names and metadata: no machine of the other two is at hand."""
    where = ["--python-platform", platform, "--python-version", "3.11", "--target", str(tmp_path)]
    how = ["--dry-run", "--require-hashes", "--only-binary", ":all:", "--requirement", str(ROOT / "requirements.lock")]
    environ = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0"}  # ONNX Runtime's wheel needs it
    done = subprocess.run([UV, "pip", "install", *where, *how], capture_output=True, text=True, env=environ)
    assert done.returncode == 0, done.stderr
    found = set(re.findall(r"^ \+ ([\w-]+)==", done.stderr, re.MULTILINE))
    assert PLATFORMS[platform] in found
    assert {"tensorflow", "onnxruntime", "simplejpeg", "tf2onnx", "uvloop"} <= found
    assert {name for name in PLATFORMS.values() if name != "tensorflow"} & found <= {PLATFORMS[platform]}


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_what_holds_for_one_platform_says_so_and_nothing_else(lock: str) -> None:
    lines = re.findall(r"^([\w-]+)==\S+ ; (.*) \\$", (ROOT / lock).read_text(), re.MULTILINE)
    assert lines == [
        ("tensorflow-cpu-aws", "platform_machine == 'aarch64' and sys_platform == 'linux'"),
        ("tensorflow-macos", "platform_machine == 'arm64' and sys_platform == 'darwin'"),
    ]
