"""The fixtures of the converter's tests."""

from tests.converter.cuda import standin_cuda
from tests.converter.made import frozen_copy, odd_models

__all__ = ["frozen_copy", "odd_models", "standin_cuda"]
