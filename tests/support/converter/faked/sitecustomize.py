"""Runs first in every process that finds the fake TensorFlow: `held_before` names what it never puts in its place."""

import json
import os

if name := json.loads(os.environ.get("FAKE_TENSORFLOW", "{}")).get("held_before"):
    from tests.support.programs.held import hold_before

    hold_before(name)
