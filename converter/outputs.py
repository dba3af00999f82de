"""What the outputs of a detector may be, and how a person names them. Plain data."""

BOXES, SCORES, CLASSES, COUNT = "detection_boxes", "detection_scores", "detection_classes", "num_detections"
ROWS, INFO = "detections", "image_info"  # all of a detection in a row; how the graph scaled a picture
HEAD = "head"  # what a network says of each place, before NMS
NAMES = "class_names"  # of each detection, as text
# Where nobody says otherwise: most overlap (IoU) of boxes of one class that a head leaves, and most boxes of a picture.
OVERLAP, MOST = 0.65, 100
# What DETECTOR_OUTPUTS calls them.
ROLES = {
    "boxes": BOXES,
    "scores": SCORES,
    "classes": CLASSES,
    "count": COUNT,
    "rows": ROWS,
    "info": INFO,
    "head": HEAD,
    "names": NAMES,
}


def parse_roles(text: str) -> dict[str, str]:
    """Names by role from `boxes=output_0,scores=output_1`; ValueError with a sentence if it is no such list."""
    found: dict[str, str] = {}
    for part in text.split(","):
        word, _, name = (each.strip() for each in part.partition("="))
        if word not in ROLES or not name:
            raise ValueError(f"{part.strip()!r} is not one of {', '.join(ROLES)} with a name, like boxes=output_0")
        if ROLES[word] in found:
            raise ValueError(f"{word} is named twice, by {found[ROLES[word]]} and by {name}")
        found[ROLES[word]] = name
    return found
