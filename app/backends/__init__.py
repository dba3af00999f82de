"""The worker protocol, and the programs behind it that run models, each in a process of its own.

May import: no other room.
"""
