"""How often a network can be fooled on a data set, and whether to believe it."""
