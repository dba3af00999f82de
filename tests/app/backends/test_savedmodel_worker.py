"""The worker for SavedModels: whatever it is asked, TensorFlow traces nothing after the model is warm."""

import json
import subprocess
import sys

import pytest

TRACED = """
import json, sys
import tensorflow as tf
from tensorflow.python.eager.context import context
from pathlib import Path
from app.backends.child import WorkerOptions
from app.backends.savedmodel import SavedModel
from app.settings import bundled_model
from tests.support.converter.pictures import jpeg

runner = SavedModel(WorkerOptions("native", bundled_model() / "1", 8, (), None))
warm = context().list_function_names()
for size in range(1, 9):
    sizes = [(32 * size + number, 40) for number in range(size)]
    runner.run([jpeg(*each) for each in sizes], sizes)
after = context().list_function_names()
new = tf.function(lambda number: number + 1)
new(1)
print(json.dumps([len(after - warm), len(context().list_function_names() - after)]))
"""


@pytest.mark.tensorflow
def test_no_size_of_a_batch_or_a_picture_has_anything_traced_again() -> None:
    done = subprocess.run([sys.executable, "-c", TRACED], capture_output=True, text=True, check=True, timeout=120)
    again, by_one_new_function = json.loads(done.stdout)
    assert (again, by_one_new_function > 0) == (0, True)
