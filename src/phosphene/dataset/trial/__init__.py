"""People against networks: the same pictures, the same choices; and whether a picture of a unit explains it."""
