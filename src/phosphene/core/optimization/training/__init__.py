"""Weights that learn from pictures: the loop of a training, its pictures, and its steps."""
