"""A library that stands in for the NVIDIA driver's, so that GPUs can be asked for their memory where there are none."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def standin_cuda(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for LD_LIBRARY_PATH with a libcuda.so.1 that knows two GPUs, of 80 and of 24 GiB."""
    if shutil.which("gcc") is None and not {"CI", "DETECTOR_TEST_SYSTEM"} & os.environ.keys():
        pytest.skip("needs gcc (Debian: build-essential) for the library that stands in for the driver's")
    folder = tmp_path_factory.mktemp("cuda")
    source = Path(__file__).with_name("cuda.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / "libcuda.so.1", source], check=True)
    return folder
