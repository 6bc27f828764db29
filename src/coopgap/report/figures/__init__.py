"""Drawings of the report; matplotlib is imported only when something is drawn."""
