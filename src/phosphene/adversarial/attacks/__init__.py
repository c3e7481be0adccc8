"""Attacks, one paper a module: a function over a batch of pictures, and its recipe for a photograph.

A function is (victim, x, labels, ...) -> steps: x in [0, 1], `labels` what it shall not say any more, or, with
`targeted`, what it shall say. `phosphene.attacks.NAME` are the functions, `phosphene.NAME` the recipes.
"""
