"""How far a copy may be from native."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What counts as a box, and how far a copy may be from native."""

    threshold: float = 0.25  # the score from which a box is an answer
    margin: float = 0.05  # boxes this near to the threshold don't count: the least difference hides or shows them
    iou: float = 0.5  # least overlap of two boxes that are the same object
    matched: float = 0.98  # least share of boxes with a partner
    mean_iou: float = 0.95  # least mean overlap of partners
    score_diff: float = 0.05  # most that the scores of partners may differ
    fewest_boxes: int = 20  # of native, for a verdict; 0 gives one for a single picture too
