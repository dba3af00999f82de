"""Saves a small detector in FOLDER, one of tests/support/models/cuts.py with SiLU and large values, and tells where.

Run in a process of its own: `python tests/support/converter/small_detector.py FOLDER`.
"""

import sys
from pathlib import Path

from tests.support.models import cuts

if __name__ == "__main__":
    cuts.save(cuts.swollen, Path(sys.argv[1]))
    sys.stdout.write(f"{sys.argv[1]}\n")
