"""The page about models is under test: a Keras model that is exported as it says has outputs that are understood."""

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.places import ROOT

PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
SNIPPET, WITH_NMS = map(textwrap.dedent, re.findall(r"^ *```python\n(.*?)^ *```", PAGE, re.DOTALL | re.MULTILINE))
MODEL = """
import json
import tensorflow as tf

pictures = tf.keras.Input([640, 640, 3])
found = tf.keras.layers.GlobalAveragePooling2D()(pictures)
boxes = tf.keras.layers.Reshape([5, 4])(tf.keras.layers.Dense(20)(found))
scores = tf.keras.layers.Dense(5, activation="sigmoid")(found)
model = tf.keras.Model(pictures, {"boxes": boxes, "confidence": scores, "classes": tf.keras.layers.ReLU()(scores)})
"""
LOOK = """
model.export("exported/1")
model = tf.keras.Model(pictures, {"boxes": boxes, "scores": tf.stack([scores, scores / 2], -1)})
EXPORT_WITH_NMS
for folder in ("detector/1", "exported/1", "suppressed/1"):
    print(json.dumps(sorted(tf.saved_model.load(folder).signatures["serving_default"].structured_outputs)))
"""


@pytest.mark.tensorflow
def test_a_keras_model_is_exported_as_the_page_says(tmp_path: Path) -> None:
    with_nms = f'{WITH_NMS}\ntf.saved_model.save(model, "suppressed/1", signatures=serve)\n'
    program = MODEL + SNIPPET + LOOK.replace("EXPORT_WITH_NMS", with_nms)
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert told == [["boxes", "classes", "confidence"]] * 3
