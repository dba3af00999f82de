"""What `python -m app` does besides serving: look at this machine, look at a model.

May import: no other room.
"""
