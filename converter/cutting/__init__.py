"""Cuts the graph of a detector into parts that ONNX Runtime, or TensorFlow, runs one after the other."""
