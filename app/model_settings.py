"""Settings of the model that is served: where it is, and what is said of it where that can't be read."""

from pathlib import Path

from pydantic import BaseModel, Field

from app.choices import Fit, Scale
from app.setting_types import Boxes, OutputNames
from converter.description import MOST_BOXES
from converter.outputs import MOST, OVERLAP


def bundled_model() -> Path:
    """The model that comes with the project: in the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "models" / "yolox_nano"
    return installed if installed.is_dir() else package.parent / "models" / "yolox_nano"


class ModelSettings(BaseModel, frozen=True, extra="forbid"):
    """What may be said of a model; the first part of the server's settings."""

    model: Path = Field(
        default_factory=bundled_model,
        description="A SavedModel's folder, or a folder of versions named by digits (the newest is taken).",
    )
    signature: str | None = Field(default=None, description="The signature to serve. Default: `serving_default`.")
    input_scale: Scale | None = Field(
        default=None,
        description="What float32 pictures are made of; models that take such need it. `imagenet`: mean and deviation.",
    )
    input_fit: Fit | None = Field(
        default=None,
        description="How pictures become a model's fixed size: `stretch` (default); `pad`: by one factor, with grey "
        "below and to the right (YOLOX); `pad-centre`: with grey on both sides (YOLOv5 and later).",
    )
    boxes: Boxes | None = Field(
        default=None,
        description="What the four numbers of a box are: `yxyx`, `xyxy` (corners), `xywh` or `cxcywh`, in pixels of "
        "what the model was given; with `_norm` in shares of it, with `_scaled` in pixels of what its `image_info` "
        "tells, with `@320x320` in pixels of that height and width, with `+pad` of a picture padded to it "
        "(`yxyx@320x320+pad`, `yxyx_norm+pad`). Default: read from what it finds in photos and in changed ones.",
    )
    outputs: OutputNames | None = Field(
        default=None,
        description="What the model's outputs are, where names and shapes don't tell: `boxes=NAME,scores=NAME,"
        "classes=NAME`, with `count=NAME` or `names=NAME`; `rows=NAME` of rows with all of it; `head=NAME` of a "
        "network's head before NMS.",
    )
    nms_iou: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Of a network's head before NMS: most overlap (IoU) of two boxes of one class. "
        f"Default: {OVERLAP}.",
    )
    nms_count: int | None = Field(
        default=None,
        ge=1,
        le=MOST_BOXES,
        description=f"Of a network's head before NMS: most boxes of a picture. Default: {MOST}.",
    )
    labels: Path | None = Field(
        default=None,
        description="A file with the names of the classes, as lines, a table, JSON, YAML or pbtxt, with ids or "
        "without. Default: the model's `assets.extra/labels.txt`.",
    )
    label_offset: int | None = Field(
        default=None,
        ge=-1,
        le=1000,
        description="The class of the first name in that file. Default: by its ids or, of names alone, by what the "
        "model gives and finds in photos.",
    )
