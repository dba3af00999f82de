"""Builders of SavedModels for tests, programs that run in a child process: they import TensorFlow."""
