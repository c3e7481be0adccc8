"""Data sets: what units answer to in your own pictures."""
