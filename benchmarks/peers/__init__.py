"""Other servers for the same model: small programs, each run in an environment of its own, and what compares them.

A program is `python -m benchmarks.peers.programs.NAME MODEL_FOLDER PORT`: it serves until it is told to end, takes one
JPEG file a request on 127.0.0.1, and answers with the boxes that score 0.25 or more as JSON.
"""
