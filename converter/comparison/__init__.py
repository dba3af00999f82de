"""How a copy does beside its source: run on photos, compared box by box, timed in pairs.

May import: converter.machine, converter.model, converter.targets.
"""
