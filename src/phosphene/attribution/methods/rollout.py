"""Follow attention through a transformer: which patches does the class token's answer come from?

Abnar & Zuidema 2020 (arXiv:2005.00928): with A the attention weights of a block, averaged over its heads, half of what
a token is comes from itself past the block and half from where it attends, A' = (A + I) / 2, and from block to block
these shares multiply. It is about the picture, not about a class: attention is all that it looks at, and what is done
with the attended values is ignored.

Weights are seen in `F.scaled_dot_product_attention`, `nn.MultiheadAttention` and wherever a softmax makes them.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal, Unpack

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from phosphene.attribution.explanation import Showing, explains
from phosphene.attribution.maps import Maps
from phosphene.attribution.question import Pictures, Question
from phosphene.core.errors import Mistake
from phosphene.core.networks.calls import plain_name
from phosphene.core.networks.interception import Propagation
from phosphene.core.networks.layers import ATTENTION
from phosphene.core.networks.network import Network
from phosphene.core.optimization.terms import TokenGrid
from phosphene.core.options import Bounds
from phosphene.core.units.token_grids import grid_of

Heads = Literal["mean", "max", "min"]


def attention_weights(
    query: Float[Tensor, "... queries d"],
    key: Float[Tensor, "... keys d"],
    value: Tensor | None = None,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    **_: object,
) -> Float[Tensor, "... queries keys"]:
    """The weights that `F.scaled_dot_product_attention` applies to its values: softmax(q k^T scale + mask)."""
    scores = query @ key.transpose(-2, -1) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones_like(scores, dtype=torch.bool).tril()
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return scores.softmax(-1)


class _Watched:
    """What is seen in one pass: the weights of every attention, joined over its heads.

    Args:
        pictures: how many are in the pass.
        join: (n, heads, tokens, tokens) to (n, tokens, tokens).
    Attributes:
        blocks: the weights, one matrix for each picture; another shape where attention is of another kind.
    """

    def __init__(self, pictures: int, join: Callable[[Tensor], Tensor]) -> None:
        self.pictures, self.join = pictures, join
        self.blocks: list[Tensor] = []

    def __call__(self, owner: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        name = plain_name(function)
        if name == ATTENTION:
            self._note(attention_weights(*args, **kwargs))
        if name != "softmax":
            return NotImplemented
        result = function(*args, **kwargs)
        if result.dim() > 2:
            self._note(result)
        return result

    def _note(self, weights: Tensor) -> None:
        if weights.dim() == 3 and len(weights) % self.pictures == 0:  # nn.MultiheadAttention puts heads there
            weights = weights.view(self.pictures, -1, *weights.shape[1:])
        self.blocks.append(self.join(weights) if weights.dim() == 4 else weights)


def watching(seen: _Watched) -> Propagation:
    """A reading that leaves every call as it is, and looks."""
    return lambda fed: seen


def rolled(
    blocks: list[Float[Tensor, "n tokens tokens"]], start: Float[Tensor, "n tokens"]
) -> Float[Tensor, "n tokens"]:
    """How much of what the `start` reads behind the last block comes from each token before the first; sums to 1.

    Args:
        blocks: A of each; its rows are normalized once the identity is added.
        start: weights of the tokens that are read, which sum to 1.
    """
    for weights in reversed(blocks):
        share = weights + torch.eye(weights.shape[-1], dtype=weights.dtype, device=weights.device)
        start = (start[:, None] @ (share / share.sum(-1, keepdim=True)))[:, 0]
    return start


def joined(weights: Float[Tensor, "n heads q k"], heads: Heads, discard: float) -> Float[Tensor, "n q k"]:
    """One matrix for all heads, the least of its weights left out."""
    one = weights.mean(1) if heads == "mean" else weights.amax(1) if heads == "max" else weights.amin(1)
    flat = one.flatten(1).clone()
    least = flat.topk(int(discard * flat.shape[1]), largest=False).indices
    return flat.scatter_(1, least, 0).view_as(one)


def _tokens(network: Network, seen: _Watched) -> int:
    """How many there are in every block."""
    if not seen.blocks:
        raise Mistake(
            f"rollout follows attention from token to token, and {network.name} has none that can be seen; "
            "it is for transformers: take grad-cam or lrp"
        )
    tokens = seen.blocks[0].shape[-1]
    whole, pooled = (seen.pictures, tokens, tokens), (seen.pictures, 1, tokens)
    shapes = [tuple(weights.shape) for weights in seen.blocks]
    if set(shapes[:-1]) - {whole} or shapes[-1] not in ((whole, pooled) if shapes[1:] else (whole,)):
        raise Mistake(
            f"rollout needs every block to attend among all tokens of the picture, and {network.name} attends within "
            "windows, to fewer tokens or in another way; take lrp"
        )
    return tokens


def _grid(network: Network, tokens: int, size: tuple[int, int]) -> TokenGrid:
    found = grid_of(network, tokens, size)
    if found is None:
        raise Mistake(f"the {tokens} tokens of {network.name} are no grid of patches, so there is no picture of them")
    grid, (_, columns) = found
    return replace(grid, columns=columns)


def _start(blocks: list[Tensor], grid: TokenGrid) -> tuple[str, Float[Tensor, "n tokens"], list[Tensor]]:
    """What reads the tokens behind the last block, in words and as weights that sum to 1; and the blocks before it."""
    *before, last = blocks
    if last.shape[1] == 1:
        return "attention pooling", last[:, 0] / last[:, 0].sum(-1, keepdim=True), before
    start = last.new_zeros(last.shape[:2])
    if not grid.prefix and not grid.suffix:
        return "mean over patches", start + 1 / last.shape[1], blocks
    start[:, 0 if grid.prefix else -1] = 1
    return "class token", start, blocks


@explains("where attention leads, block by block", "sensitivity", "overlay", asks=False, relative=True)
def rollout(
    asked: Question,
    pictures: Pictures,
    *,
    heads: Heads = "mean",
    discard: Annotated[float, Bounds(0, 0.99)] = 0.0,
    **common: Unpack[Showing],
) -> Maps:
    """Show from which patches a vision transformer's answer comes, by its attention weights alone, whatever the class.

    It begins at the class token, the first of those that are no patches; where there are only patches, at all of them
    alike, or where a last attention with a single query reads them. A patch's number is its share in that, and the
    numbers of all tokens sum to 1; they are resized to the picture bilinearly.

    Args:
        heads: what stands for the heads of a block: their mean, as in the paper, or each weight's max or min.
        discard: the share of each block's weights, the lowest ones, that are left out.
    Raises:
        Mistake: a network without attention, or with attention within windows.
    """
    network, (height, width) = asked.network, pictures.shape[2:]
    join = partial(joined, heads=heads, discard=discard)
    maps, facts = [], []
    for some in pictures.split(asked.batch):
        seen = _Watched(len(some), join)
        with torch.no_grad():
            network.read(some, ["logits"], watching(seen))
            tokens = _tokens(network, seen)
            grid = _grid(network, tokens, (height, width))
            read, start, blocks = _start(seen.blocks, grid)
            patches = grid.placed(rolled(blocks, start)[:, None], (height, width))
            assert patches is not None
            maps.append(F.interpolate(patches, (height, width), mode="bilinear")[:, 0])
        facts += [
            {"read": read, "blocks": len(blocks), "patches": list(patches.shape[2:]), "on patches": float(share)}
            for share in patches.flatten(1).sum(1)
        ]
    return Maps(torch.cat(maps), facts)
