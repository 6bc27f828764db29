"""The matched sample: sets, weights, balance, feasibility."""
