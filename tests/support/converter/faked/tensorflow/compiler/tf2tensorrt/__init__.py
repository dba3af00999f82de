"""Where TensorFlow keeps TF-TRT."""
