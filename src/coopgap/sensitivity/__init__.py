"""What would have to differ for a gap to change."""
