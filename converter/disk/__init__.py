"""Copies on disk: where they go, written beside and renamed so that what exists is complete, checked.

May import: no other room.
"""
