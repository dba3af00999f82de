"""From checked parameters and JPEG files to results: whom to ask, both side by side, boxes drawn.

May import: app.verdicts.
"""
