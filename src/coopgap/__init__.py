"""The gap between co-operative members and non-members, with its uncertainty."""

__version__ = "0.1.0"
