"""The fixtures of the converter's tests."""

from tests.support.converter.cuda import standin_cuda
from tests.support.converter.made import frozen_copy, odd_models

__all__ = ["frozen_copy", "odd_models", "standin_cuda"]
