"""Every combination of the choices that a model declares, and what they say together."""
