"""Settings of a server whose copies are told to be slower."""

from tests.support.places import DATA

# A copy that must be a hundred times as fast is `standby: slower` after the shortest gate, whatever the machine does:
# six times the same picture, which has enough boxes for a verdict.
SLOWER = {
    "DETECTOR_GATE_SPEEDUP": "100",
    "DETECTOR_GATE_SECONDS": "0.2",
    "DETECTOR_GATE_IMAGES": str(DATA / "gate"),
}
