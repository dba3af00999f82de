"""How far a copy may be from native."""

from dataclasses import dataclass

_GOOD_OF_BAD = 5  # a copy that is bad at 5 % of the boxes is good at 1 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What counts as a box, and how far a copy may be from native."""

    threshold: float = 0.25  # the score from which a box is an answer
    margin: float = 0.05  # boxes this near to the threshold don't count: the least difference hides or shows them
    iou: float = 0.5  # least overlap of two boxes that are the same object
    # A copy that shares fewer boxes with native is bad, one that lacks a fifth of what is left is good.
    matched: float = 0.95
    error: float = 0.05  # most chance that a bad one passes the test, and that a good one fails
    mean_iou: float = 0.95  # least mean overlap of partners
    score_diff: float = 0.05  # most that the scores of partners may differ
    few_boxes: int = 20  # least number of boxes for the two limits above
    fewest_boxes: int = 200  # least number of boxes on which a copy passes the test
    fewest_photos: int = 40  # and of different photos that they are in
    fewest_rows: int = 30  # least number of rows on which a copy is equal to rounding
    row_iou: float = 0.99  # least overlap of rows that are equal to rounding
    row_score_diff: float = 0.005  # most that their scores differ

    @property
    def bad(self) -> float:
        """The share of boxes lost, added or changed from which a copy is bad."""
        return 1 - self.matched

    @property
    def good(self) -> float:
        """The share up to which it is good."""
        return self.bad / _GOOD_OF_BAD
