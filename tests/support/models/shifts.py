"""By how much `tests.support.models.altered` changes a detector's answers."""

PERSON = 1  # a COCO category id
SURER_BY = 0.1  # of the scores of persons
MOVED_BY = 0.05  # of a box's size
