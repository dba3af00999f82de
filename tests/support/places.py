"""Where things lie that tests need."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
DOG = DATA / "dog.jpg"
FAKED = ROOT / "tests" / "support" / "converter" / "faked"  # a TensorFlow that starts at once
PROGRAMS = ROOT / "tests" / "support" / "programs"  # that stand in for those that need TensorFlow
