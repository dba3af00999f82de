"""A message that no fake file has."""
