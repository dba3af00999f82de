"""What TensorFlow's own operation makes of JPEG files: a program, run in a process that may import TensorFlow."""

import pickle
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from converter.model.onnx_layout import Decode

Case = tuple[bytes, Decode]


def by_tensorflow(cases: Sequence[Case]) -> list[Any]:
    """The pixels of each case, in order; None where TensorFlow refuses the file."""
    command = [sys.executable, "-m", "tests.support.converter.decoded"]
    done = subprocess.run(command, input=pickle.dumps(list(cases)), capture_output=True, check=True, timeout=120)
    found: list[Any] = pickle.loads(done.stdout)
    return found


def _decoded(data: bytes, wanted: Decode) -> Any:
    import tensorflow as tf

    try:
        return tf.io.decode_jpeg(
            data,
            channels=wanted.channels,
            ratio=wanted.ratio,
            fancy_upscaling=wanted.fancy_upscaling,
            try_recover_truncated=wanted.try_recover_truncated,
            acceptable_fraction=wanted.acceptable_fraction,
            dct_method=wanted.dct_method,
        ).numpy()
    except tf.errors.InvalidArgumentError:
        return None


if __name__ == "__main__":
    sys.stdout.buffer.write(pickle.dumps([_decoded(*case) for case in pickle.load(sys.stdin.buffer)]))
