"""Families of estimates: from the rows of a model to gaps, one family a file."""
