"""A model's graph taken apart: flattened, cut, frozen, and turned into ONNX. Runs in a child process.

May import: converter.machine, converter.model.
"""
