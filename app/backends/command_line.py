"""A worker's command line: what its process is told of the model and of how to run it."""

import json
from dataclasses import asdict

from app.backends.backend import GpuUse, Spec
from app.backends.placement import Placement
from app.backends.spare import command

PROGRAM_WORDS = 3  # before the program's own


def command_line(program: str, spec: Spec, handle: int) -> list[str]:
    """The words by which the program runs as a worker for `spec` over the socket with this number."""
    words = command(program, spec.name, handle)
    words += ["--folder", str(spec.folder), "--max-batch", str(spec.max_batch)]
    if said := spec.declared.given():
        words += ["--declared", json.dumps(said)]
    if spec.finding is not None:
        words += ["--finding", str(spec.finding)]
    for size in spec.batch_sizes:
        words += ["--batch-size", str(size)]
    if spec.gpu != GpuUse():
        words += ["--gpu", json.dumps(asdict(spec.gpu))]
    if spec.placement != Placement():
        words += ["--placement", json.dumps(asdict(spec.placement))]
    if spec.batches_in_flight is not None:
        words += ["--batches-in-flight", str(spec.batches_in_flight)]
    return words
