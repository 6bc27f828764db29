"""The floor: numbers with their uncertainty, vocabulary, errors, and what carries out work."""
