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
        description="The folder of a SavedModel, or a folder of versions named by digits, of which the newest is "
        "served. Default: the bundled model.",
    )
    signature: str | None = Field(
        default=None, description="Name of the signature to serve. Default: `serving_default`."
    )
    input_scale: Scale | None = Field(
        default=None,
        description="Scale of the pictures that a model with `float32` or `float16` input takes; such models need it. "
        "`imagenet`: minus ImageNet's mean, divided by its standard deviation.",
    )
    input_fit: Fit | None = Field(
        default=None,
        description="How pictures get the fixed size of a model's input. `stretch`: each side by its own factor. "
        "`pad`: both sides by one factor, with grey below and at the right (YOLOX). `pad-centre`: with grey on both "
        "sides (YOLOv5 and later). Default: `stretch`.",
    )
    boxes: Boxes | None = Field(
        default=None,
        description="What the four numbers of a box mean: `yxyx`, `xyxy` (corners), `xywh` or `cxcywh`, in pixels of "
        "what the model was given. With `_norm`: in fractions of it. With `_scaled`: in pixels of what its "
        "`image_info` tells. With `@320x320`: in pixels of that height and width. With `+pad`: of a picture that was "
        "padded to it (`yxyx@320x320+pad`, `yxyx_norm+pad`). Default: found out by running the model on photos and "
        "changed photos.",
    )
    outputs: OutputNames | None = Field(
        default=None,
        description="Which of the model's outputs is what, if names and shapes don't tell: "
        "`boxes=NAME,scores=NAME,classes=NAME`, perhaps with `count=NAME` or `names=NAME`; `rows=NAME` for rows with "
        "all of it; `head=NAME` for a network's head before NMS.",
    )
    nms_iou: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="For a network's head before NMS: maximum overlap (IoU) of two boxes of one class. "
        f"Default: {OVERLAP}.",
    )
    nms_count: int | None = Field(
        default=None,
        ge=1,
        le=MOST_BOXES,
        description=f"For a network's head before NMS: maximum number of boxes in a picture. Default: {MOST}.",
    )
    labels: Path | None = Field(
        default=None,
        description="File with the names of the classes, as lines, a table, JSON, YAML or pbtxt, with or without ids. "
        "Default: `assets.extra/labels.txt` of the model.",
    )
    label_offset: int | None = Field(
        default=None,
        ge=-1,
        le=1000,
        description="Class of the first name in that file. Default: by the ids in it; for names alone, by what the "
        "model gives and finds in photos.",
    )
