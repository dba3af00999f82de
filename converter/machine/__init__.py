"""This machine: what it has, and children of this process that keep to limits.

May import: no other room.
"""
