"""Rewrites of an ONNX graph that make it faster or smaller and leave its answers as they are.

May import: no other room.
"""
