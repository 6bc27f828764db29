"""What each sensitivity check found, in plain sentences."""
