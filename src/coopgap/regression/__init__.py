"""Fits on arrays and cells, each a pure function that returns a frozen record."""
