"""What becomes of the served model and its copies: made, loaded, swapped; which version is served.

May import: app.verdicts.
"""
