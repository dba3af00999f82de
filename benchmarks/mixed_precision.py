"""A SavedModel in mixed precision, run as the probe of a conversion runs it: `python -m benchmarks.mixed_precision`.

TensorFlow's own way to 16 bits without a copy (https://www.tensorflow.org/guide/graph_optimization, auto mixed
precision): matrix products and convolutions run in FP16 on the GPU, what needs the range stays FP32.
"""

import runpy

import tensorflow as tf

if __name__ == "__main__":
    tf.config.optimizer.set_experimental_options({"auto_mixed_precision": True})
    runpy.run_module("converter.comparison.probing", run_name="__main__")
