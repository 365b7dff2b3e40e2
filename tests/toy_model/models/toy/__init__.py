"""A model as small as one can be."""
