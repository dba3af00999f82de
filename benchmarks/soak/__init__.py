"""A long mixed load with faults, and what must be as it was at the start when it ends."""
