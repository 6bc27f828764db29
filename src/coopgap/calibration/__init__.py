"""Simulation-based calibration: does the hierarchical model recover what it was drawn from."""
