"""Which order lines will come back, how sure that is, and why."""
