"""TF-TRT: a graph converted, its engines built, and what it says of both. Runs in a child process.

May import: converter.graph, converter.machine, converter.model.
"""
