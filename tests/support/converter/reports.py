"""A report and an identity as a conversion on an H100 writes them."""

from converter import targets
from converter.contract import Identity, Options, Report

OPTIONS = Options(precision="FP16", batch_sizes=(1, 4))
IDENTITY = Identity(
    source_sha256="ab" * 32,
    options=OPTIONS.text(targets.KINDS["trt"].shaped_by),
    tensorflow="2.14.1",
    tensorflow_build="v2.14.0-10-g99d80a9e254 cuda 11.8 cudnn 8",
    tensorrt="8.5.3",
    gpu="NVIDIA H100 80GB HBM3",
    compute_capability="9.0",
)
REPORT = Report(
    target="trt",
    options=OPTIONS,
    identity=IDENTITY,
    environment={"gpus": ["NVIDIA H100 80GB HBM3"], "tensorrt_loaded": [8, 5, 3]},
    created="2026-11-25T09:00:00+00:00",
    seconds={"convert": 1.8, "build": 112.0},
    source_bytes=3_800_000,
    size_bytes=5_300_000,
    batch_sizes=(1, 4),
    facts={"engines": 1, "operations": 882, "operations_converted": 744},
    probe={"passed": True},
    latency={"native": {"1": {"mean_s": 0.02}}, "trt": {"1": {"mean_s": 0.01}}},
    agreement={"1": {"verdict": "agrees"}},
    files={"saved_model.pb": "cd" * 32},
)
