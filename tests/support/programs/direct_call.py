"""A program that calls a SavedModel's signature on a JPEG file, and writes its outputs as JSON."""

import json
import sys
from pathlib import Path

import tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
found = model.signatures["serving_default"](image_bytes=tf.constant([Path(sys.argv[2]).read_bytes()]))
json.dump({name: value.numpy().tolist() for name, value in found.items()}, sys.stdout)
