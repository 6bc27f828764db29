"""Reading a survey, applying its codebook, collapsing people into cells."""
