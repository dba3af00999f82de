"""Who may answer and why: the gate, live pairs after it, and the routing that follows from both.

May import: app.lanes.
"""
