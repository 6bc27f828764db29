"""What a notebook calls: frames and formulas in, tidy frames out, over the same numbers."""
