"""A photograph, its activations by a hook of our own, and the slow twin of a direction."""

from tests.small import levels

PHOTO = levels(1, 3, 16, 16, low=1, high=254)


def by_hook(network, picture, layer):
    """The activation, read by a hook of its own."""
    kept = []
    hook = network.model.get_submodule(layer).register_forward_hook(lambda m, i, o: kept.append(o.detach()))
    network.model((picture - 0.5) / 0.2)
    hook.remove()
    return kept[0]


def slow(y, v, power):
    """The mean over positions of dot * max(.1, cos)^power, position by position."""
    total = 0.0
    for row in range(y.shape[1]):
        for column in range(y.shape[2]):
            a, b = y[:, row, column], v[:, row, column]
            dot = float(a @ b)
            total += dot * max(0.1, dot / float(a.norm() * b.norm())) ** power
    return total / (y.shape[1] * y.shape[2])
