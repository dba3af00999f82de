"""The table of the programs that run backends, each in a child process; they are imported nowhere else."""

from app.choices import NATIVE
from converter.targets import KINDS

# The program for what each library runs.
RUNNERS = {"tensorflow": "app.backends.savedmodel", "onnxruntime": "app.backends.onnx"}


def program_of(name: str) -> str:
    """The program that runs the backend of this name."""
    return RUNNERS["tensorflow" if name == NATIVE else KINDS[name].runner]
