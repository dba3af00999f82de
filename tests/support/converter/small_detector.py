"""Saves a small detector in FOLDER, the first of tests/support/models/cuts.py, and tells where.

Run in a process of its own: `python tests/support/converter/small_detector.py FOLDER`.
"""

import sys
from pathlib import Path

from tests.support.models import cuts

if __name__ == "__main__":
    cuts.save(cuts.loop, Path(sys.argv[1]))
    sys.stdout.write(f"{sys.argv[1]}\n")
