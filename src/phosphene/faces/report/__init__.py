"""The page of a layer: every unit of it, out of an index."""
