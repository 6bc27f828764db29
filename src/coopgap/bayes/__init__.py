"""The hierarchical model by region, its draws and the gate they must pass."""
