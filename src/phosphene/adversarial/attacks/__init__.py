"""Attacks, one paper a module: a function over a batch of pictures, and its recipe for a photograph.

A function is (problems, *, options of its own) -> steps. `@attack` makes of it what everybody calls, with the arguments
that all have: (victim, x, labels or a goal, *, norm, eps, targeted, bounds, until_fooled, restarts, key) -> Search.
`phosphene.attacks.NAME` are these functions, `phosphene.NAME` the recipes.
"""
