"""The wire of /compare."""

from typing import Any

from pydantic import BaseModel, Field


class InferHistogram(BaseModel):
    """How many pictures took how long in `infer`: the histogram that `/metrics` has."""

    upper_ms: list[float | None] = Field(description="Upper bounds of the buckets; the last, null, has none.")
    counts: dict[str, dict[str, list[int]]] = Field(description="By backend and role: pictures in each bucket.")


class ConversionNow(BaseModel):
    """How far the copy is that is being made; its whole job needs the admin's token."""

    target: str
    doing: str = Field(description="What the converter does now, in words.")
    progress: float = Field(description="0 to 1: steps that are done, and the share of the present one.")
    created: str = Field(description="When it began.")


class CompareAnswer(BaseModel):
    """Native against each copy, now."""

    backend: str = Field(description="What an admin chose: `auto` or a backend's name.")
    active: str | None = Field(description="The backend that answers `auto`.")
    answers: dict[str, str | None] = Field(description="The same for pictures of each size class.")
    size_classes: dict[str, str] = Field(description="The size classes of pictures, in words.")
    traffic: dict[str, int] = Field(description="Pictures that were answered, by size class.")
    shadow_share: float
    rules: dict[str, Any] = Field(description="What the gate asks of a copy.")
    conversion: ConversionNow | None = Field(description="The copy that is being made now; null if none is.")
    native: dict[str, Any] = Field(description="Its state and reason.")
    infer_ms: dict[str, dict[str, Any]] = Field(
        description="By backend and role, serving, shadow or `per image` (a batch's time divided by its pictures and "
        "by the batches that ran at once): count, mean, p50, p95, p99. Below 20 observations the values instead."
    )
    infer_histogram: InferHistogram
    copies: dict[str, dict[str, Any]] = Field(
        description="By copy: state, reason, the gate's verdict, rollback, and the window of live pairs with the worst."
    )
