"""Numbers printed in reports whose microdata are closed, and what they imply."""
