"""The wire of /model: what is served, by which backends, in which workers."""

from typing import Any

from pydantic import BaseModel, Field


class ReplicaAnswer(BaseModel):
    """One worker of a backend."""

    state: str = Field(description="`ready`, or why there is none.")
    reason: str = ""
    pid: int | None = None
    device: str | None = None
    gpu: str | None = Field(default=None, description="Its GPU, as CUDA_VISIBLE_DEVICES names it; null: any it sees.")
    cores: list[int] | None = Field(default=None, description="The cores that it is kept to; null: any.")


class BackendAnswer(BaseModel):
    """A backend's state and why it has it."""

    state: str
    reason: str = ""
    verdict: dict[str, Any] | None = Field(default=None, description="The gate's, with its numbers; null for native.")
    rolled_back: str | None = Field(default=None, description="Why it was taken out of `auto`.")
    slower_live: dict[str, str] = Field(
        default_factory=dict, description="Size classes at which live pairs found it slower than native, and why."
    )
    device: str | None = None
    providers: dict[str, int] | None = Field(
        default=None,
        description="For an ONNX copy: the providers of ONNX Runtime, and how many operations each of them runs.",
    )
    fallback: str | None = Field(default=None, description="What runs elsewhere than was asked for; null if nothing.")
    batch_sizes: list[int] | None = None
    batches_in_flight: int | None = Field(default=None, description="Batches that it works on at once.")
    gpu_memory_bytes: int | None = Field(
        default=None, description="GPU memory that its workers held when they were warm; null if it is not known."
    )
    load_seconds: float | None = None
    warm_seconds: float | None = None
    replicas: list[ReplicaAnswer] | None = Field(default=None, description="Its workers; null while none is warm.")


class ModelAnswer(BaseModel):
    """What is served."""

    name: str
    version: str
    sha256: str | None = Field(description="Of the model's files. Null until they have been read.")
    signature: dict[str, Any] | None = Field(description="Null until the model is loaded.")
    labels: dict[int, str]
    label_ids: str = Field(description="Whether the ids of the labels are COCO's own with gaps, contiguous, or others.")
    label_evidence: str = Field(
        description="The form in which the labels were read, and how it is known to which class each belongs."
    )
    active: str | None = Field(description="The backend that answers `auto`.")
    backends: dict[str, BackendAnswer]


class VersionsAnswer(BaseModel):
    """The versions of the model that lie where the server was told to look."""

    name: str
    serving: str = Field(description="The version that answers now.")
    pinned: str | None = Field(description="The version that an admin has named; null: a reload takes the newest.")
    versions: list[str] = Field(description="The newest first.")
