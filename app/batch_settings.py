"""Settings of batches: how large, how many at once, by how many workers, and what they may take of a GPU."""

from pydantic import Field, ValidationInfo, field_validator

from app.model_settings import ModelSettings
from app.setting_types import Sizes, Switch


class BatchSettings(ModelSettings, frozen=True, extra="forbid"):
    """How models are run; a part of the server's settings."""

    max_batch: int = Field(default=8, ge=1, le=256, description="Maximum number of pictures in one call of the model.")
    batches_in_flight: int | None = Field(
        default=None,
        ge=1,
        le=32,
        description="Batches that each worker works on at once; of those of an ONNX copy half are on the GPU. Default: "
        "on a CPU 2, for an ONNX copy one more than there are cores; on a GPU 8, for TensorFlow with fewer than 16 "
        "cores 4.",
    )
    replicas: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Workers of each backend, which share one queue. Each worker has one of the GPUs that "
        "`CUDA_VISIBLE_DEVICES` shows, in turn. Without a GPU each has its part of the cores, and more workers than "
        "cores are refused at the start. Default: one for each GPU, 1 without a GPU.",
    )
    batch_sizes: Sizes | None = Field(
        default=None,
        description="Batch sizes, besides `DETECTOR_MAX_BATCH`, for which there is a TensorRT engine and, on a GPU, a "
        "session of an ONNX copy. Other batches are filled up to the next size. Default: the powers of two below it.",
    )
    gpu_memory_mib: int | None = Field(
        default=None,
        ge=1,
        description="Maximum GPU memory for a worker's weights and tensors, in MiB. CUDA's libraries take some "
        "hundreds more for each worker. Default: as much as it needs.",
    )
    onnx_tensorrt: Switch = Field(
        default=False,
        description="Whether ONNX Runtime runs ONNX copies with its TensorRT provider, if TensorRT's library is there. "
        "If not, it uses CUDA on a GPU.",
    )

    @field_validator("batch_sizes")
    @classmethod
    def _are_allowed(cls, value: tuple[int, ...] | None, info: ValidationInfo) -> tuple[int, ...] | None:
        largest = info.data.get("max_batch")
        if value and largest is not None and max(value) > largest:
            raise ValueError(f"{max(value)} is more than DETECTOR_MAX_BATCH, {largest}")
        return value
