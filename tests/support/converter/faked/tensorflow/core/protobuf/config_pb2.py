"""Settings that a fake model has no use for."""

from unittest.mock import MagicMock as ConfigProto

__all__ = ["ConfigProto"]
