"""A detector as it is loaded and called: its signature, its pictures, and what its outputs mean.

May import: converter.disk, converter.machine.
"""
