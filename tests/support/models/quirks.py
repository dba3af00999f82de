"""Wraps the bundled detector so that it misbehaves on pictures of one length in bytes.

    python -m tests.support.models.quirks SOURCE DEST crashes|rejects|exhausts LENGTH

crashes: the process aborts; rejects: the call fails, though the picture is fine; exhausts: a batch of more than two
with such a picture needs more memory than there is.
"""

import sys

import tensorflow as tf


def crashes(unlucky: "tf.Tensor", _: "tf.Tensor") -> "tf.Tensor":
    with tf.control_dependencies([tf.raw_ops.Abort(error_msg="as the test wants it")]):
        return tf.identity(unlucky)


def rejects(unlucky: "tf.Tensor", _: "tf.Tensor") -> "tf.Tensor":
    with tf.control_dependencies([tf.debugging.Assert(False, ["as the test wants it"])]):
        return tf.identity(unlucky)


def exhausts(unlucky: "tf.Tensor", size: "tf.Tensor") -> "tf.Tensor":
    petabytes = tf.fill([tf.where(size > 2, tf.constant(1 << 52, tf.int64), tf.constant(1, tf.int64))], 0.0)
    return tf.logical_and(unlucky, petabytes[0] == 0.0)


QUIRKS = {quirk.__name__: quirk for quirk in (crashes, rejects, exhausts)}


def main() -> None:
    source, dest, quirk, length = sys.argv[1:]
    bundled = tf.saved_model.load(source)
    detect = bundled.signatures["serving_default"]

    @tf.function(  # type: ignore[untyped-decorator]  # no types
        input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")], autograph=False
    )
    def serve(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        unlucky = tf.reduce_any(tf.strings.length(image_bytes) == int(length))
        size = tf.shape(image_bytes)[0]
        lucky = tf.cond(unlucky, lambda: QUIRKS[quirk](unlucky, size), lambda: unlucky)
        with tf.control_dependencies([lucky]):
            return dict(detect(image_bytes=tf.identity(image_bytes)))

    module = tf.Module()
    module.bundled, module.serve = bundled, serve
    tf.saved_model.save(module, dest, signatures={"serving_default": serve})


if __name__ == "__main__":
    main()
