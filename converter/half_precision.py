"""What FP16 can hold."""

LARGEST = 65504.0
NEAR = LARGEST / 4  # some photos tell how large a model's values become, not what another one brings
