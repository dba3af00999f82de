"""The fixtures of the converter's tests."""

from tests.converter.made import frozen_copy, odd_models

__all__ = ["engineless_copy", "engineless_trt", "frozen_copy", "odd_models", "standin_library"]
