"""Runs first in every Python process that has this folder on PYTHONPATH: imports what STAND_IN names, from beside it.

So a test reaches the children of a server or of a converter, which it does not start itself.
"""

import importlib
import os

importlib.import_module(os.environ["STAND_IN"])
