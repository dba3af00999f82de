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
begun, more = runner.facts.batch_sizes, runner.finish()
warm = context().list_function_names()
for size in range(1, 9):
    sizes = [(32 * size + number, 40) for number in range(size)]
    runner.run([jpeg(*each) for each in sizes], sizes)
after = context().list_function_names()
new = tf.function(lambda number: number + 1)
new(1)
copy = SavedModel(WorkerOptions("frozen", bundled_model() / "1", 8, (), None))
print(json.dumps([len(after - warm), len(context().list_function_names() - after)]))
print(json.dumps([begun, more, runner.facts.batch_sizes, copy.facts.batch_sizes, copy.finish()]))
"""


@pytest.mark.tensorflow
def test_no_size_of_a_batch_or_a_picture_has_anything_traced_again() -> None:
    done = subprocess.run([sys.executable, "-c", TRACED], capture_output=True, text=True, check=True, timeout=120)
    traced, sizes = map(json.loads, done.stdout.splitlines()[-2:])
    assert (traced[0], traced[1] > 0) == (0, True)
    native_at_once, more, native, copy, more_of_copy = sizes
    assert (native_at_once, more, native) == ([1], True, [1, 8]), "native serves before its largest size is tried"
    assert (copy, more_of_copy) == ([1, 8], False), "a copy is judged with all its sizes"
