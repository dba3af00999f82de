"""In front of each backend: its slot, its queue, batches and their repair, and quiet moments.

May import: app.backends.
"""
