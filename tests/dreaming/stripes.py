"""Pictures of stripes, upright or across, of random width, place and colours."""

import numpy as np


def stripes(across, seed, side=40):
    """uint8 (side, side, 3)."""
    rng = np.random.default_rng(seed)
    width, shift = rng.integers(side // 8 + 1, side // 5 + 2), rng.integers(side)
    dark, light = rng.integers(0, 60, 3), rng.integers(190, 256, 3)
    bars = ((np.arange(side) + shift) // width % 2).astype(bool)
    grid = np.broadcast_to(bars[:, None] if across else bars, (side, side))
    return np.where(grid[..., None], dark, light).astype(np.uint8)
