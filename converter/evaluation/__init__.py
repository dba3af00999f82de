"""How right a model and its copies are: their mean average precision on pictures whose objects are known.

May import: converter.comparison, converter.machine, converter.model.
"""

# Which category a class of a model is: the one with its id, or its place among all of them, counted from there.
WAYS = ("ids", "from-0", "from-1")
