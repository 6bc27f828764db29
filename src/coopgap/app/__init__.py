"""The roof: a study planned, run, saved, and its commands."""
