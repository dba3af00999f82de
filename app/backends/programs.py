"""The table of the programs that run backends, each in a child process; they are imported nowhere else."""

from collections.abc import Mapping

from app.choices import NATIVE
from converter.targets import KINDS

# The program for what each library runs.
RUNNERS = {"tensorflow": "app.backends.savedmodel", "onnxruntime": "app.backends.onnx"}
# A large picture is 180 MB for a moment in an ONNX copy. With pages of 2 MB instead of 4 kB the kernel has them ready
# in a third of the time (benchmarks/cpu.md, big pictures). TensorFlow gains nothing by them.
_ENVIRON: Mapping[str, Mapping[str, str]] = {"onnxruntime": {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}}


def program_of(name: str) -> str:
    """The program that runs the backend of this name."""
    return RUNNERS[_runner(name)]


def environ_of(name: str) -> Mapping[str, str]:
    """The environment variables of its process where nobody sets them."""
    return _ENVIRON.get(_runner(name), {})


def _runner(name: str) -> str:
    return "tensorflow" if name == NATIVE else KINDS[name].runner
