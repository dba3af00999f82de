"""The fixtures of the converter's tests."""

from tests.converter.made import frozen_copy, odd_models

__all__ = ["frozen_copy", "odd_models"]
