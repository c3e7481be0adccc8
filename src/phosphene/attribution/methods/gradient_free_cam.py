"""Class activation maps without a gradient: channels are tried, or looked at alone.

Each is ReLU(sum_k w_k A_k) over the channels A_k of a late layer, as Grad-CAM's, and differs in what a channel weighs.
Score-CAM (Wang et al. 2020, arXiv:1910.01279) asks about the picture seen through the channel, Ablation-CAM (Desai &
Ramaswamy 2020, doi:10.1109/WACV45572.2020.9093360) about the picture without it: a pass for each channel. Eigen-CAM
(Muhammad & Yeasin 2020, arXiv:2008.00299) asks nothing: it is what the channels have in common.
"""

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Unpack

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from phosphene.attribution.baselines import Baseline, baseline_pictures
from phosphene.attribution.explanation import Common, Showing, explains
from phosphene.attribution.intervention import Change, read_changed
from phosphene.attribution.maps import Growing, Maps
from phosphene.attribution.methods.cam import as_places, chosen_layer, enlarged
from phosphene.attribution.question import Pictures, Question, every
from phosphene.core.optimization.terms import Reading
from phosphene.core.options import Words

Pairs = tuple[Tensor, Tensor]
"""Rows and channels: picture rows[i] is asked about with channel channels[i]."""


def _said_changed(asked: Question, pictures: Pictures, rows: Tensor, layer: str, change: Change) -> Tensor:
    """What the network says of pictures, of which picture i is a variant of the rows[i]-th, when a layer is changed."""
    with torch.no_grad():
        read = read_changed(asked.network, pictures, asked.term.layers, layer, change)
        of = torch.arange(len(pictures), device=pictures.device)
        rows = rows.to(pictures.device)
        return asked.finite(asked.term.of(Reading(pictures, rows, pictures, of, read, asked.network.head)))


def _matters(asked: Question, picture: Pictures, layer: str) -> bool:
    """Whether the answer about a picture is another one without all of this layer."""
    as_places(asked.network, layer, _activations(asked, picture, layer), picture)
    said = (_said_changed(asked, picture, every(picture), layer, change) for change in (torch.clone, torch.zeros_like))
    return not torch.equal(*said)


def _activations(asked: Question, pictures: Pictures, layer: str) -> Float[Tensor, "n channels ..."]:
    with torch.no_grad():
        return torch.cat([asked.network.read(some, [layer])[layer] for some in pictures.split(asked.batch)])


def _summed(weights: Float[Tensor, "n k"], there: Float[Tensor, "n k rows columns"], pictures: Pictures) -> Tensor:
    return enlarged(torch.einsum("nk,nkhw->nhw", weights.to(there), there).clamp(min=0), pictures)


def _channel_by_channel(
    pictures: Pictures,
    there: Float[Tensor, "n k rows columns"],
    said: Float[Tensor, "n k"],
    pairs: list[Pairs],
    ask: Callable[[Tensor, Tensor], Float[Tensor, " m"]],
    weigh: Callable[[Float[Tensor, "n k"], Bool[Tensor, "n k"]], Float[Tensor, "n k"]],
    facts: list[dict[str, Any]],
) -> Growing:
    """Maps that grow with every channel that was asked about.

    Args:
        said: what is known without asking; the rest is filled in.
        pairs: what is asked about, a batch at a time.
        ask: what the network says about pairs.
        weigh: from that, and which of it is there, to weights; 0 where it is not.
    """
    total = max(1, sum(len(rows) for rows, _ in pairs))

    def run() -> Iterator[tuple[int, Maps]]:
        known, done = torch.ones_like(said, dtype=torch.bool), 0
        for rows, channels in pairs:
            known[rows, channels] = False
        for rows, channels in pairs or [(torch.zeros(0, dtype=torch.long),) * 2]:
            if len(rows):
                said[rows, channels] = ask(rows, channels).to(said)
                known[rows, channels] = True
            done += len(rows)
            yield done or total, Maps(_summed(weigh(said, known), there, pictures), facts)

    return Growing(total, run())


def _asked_about(which: Bool[Tensor, "n k"], batch: int) -> list[Pairs]:
    rows, channels = which.nonzero(as_tuple=True)
    return list(zip(rows.split(batch), channels.split(batch), strict=True)) if len(rows) else []


@explains("where a late layer finds it, by what its channels let through", "sensitivity", "overlay", purpose="search")
def score_cam(
    asked: Question,
    pictures: Pictures,
    *,
    layer: str | None = None,
    occluder: Baseline = "zero",
    **common: Unpack[Common],
) -> Growing:
    """Show a layer's channels, each as strong as the score of the picture seen through it (Score-CAM, Wang et al.).

    A channel's activations, enlarged and brought to [0, 1], are a mask over the picture; the softmax over channels of
    what the network says then are the weights. A channel that is the same everywhere hides everything.

    Args:
        layer: whose places; by default the last one that has any.
        occluder: what is where a mask is 0: zero (the network's mean colour, as in the paper), black, grey, mean, blur
            or noise.
    """
    name = chosen_layer(asked, pictures, layer, _matters)
    there = as_places(asked.network, name, _activations(asked, pictures, name), pictures)
    behind, rows = baseline_pictures(asked.network, pictures, occluder), every(pictures)
    low, span = there.amin((2, 3), keepdim=True), there.amax((2, 3), keepdim=True) - there.amin((2, 3), keepdim=True)
    facts = [{"layer": name, "value": float(value)} for value in asked.values(pictures, rows)]

    def ask(rows: Tensor, channels: Tensor) -> Tensor:
        large = enlarged(there[rows, channels], pictures)
        # on its own scale at the picture's size, where the ends of a coarse map need not be reached
        least, most = large.amin((1, 2), keepdim=True), large.amax((1, 2), keepdim=True)
        masks = ((large - least) / torch.where(most > least, most - least, 1.0)).to(pictures)[:, None]
        return asked.values(torch.lerp(behind[rows], pictures[rows], masks), rows)

    def weigh(said: Tensor, known: Tensor) -> Tensor:
        return said.masked_fill(~known, -torch.inf).softmax(1).nan_to_num(0)

    said = asked.values(behind, rows)[:, None].repeat(1, there.shape[1])
    flat = (span <= 1e-12 * low.abs())[:, :, 0, 0].cpu()
    return _channel_by_channel(pictures, there, said, _asked_about(~flat, asked.batch), ask, weigh, facts)


@explains(
    "where a late layer finds it, by what its channels are missed for", "sensitivity", "overlay", purpose="search"
)
def ablation_cam(asked: Question, pictures: Pictures, *, layer: str | None = None, **common: Unpack[Common]) -> Growing:
    """Show a layer's channels, each as strong as the score misses it (Ablation-CAM, Desai & Ramaswamy).

    w_k = (S - S without channel k) / |S|; the paper divides by S, which would turn the map of a negative score round.

    Args:
        layer: whose places; by default the last one that has any.
    """
    name = chosen_layer(asked, pictures, layer, _matters)
    whole = _activations(asked, pictures, name)
    there, rows = as_places(asked.network, name, whole, pictures), every(pictures)
    batch = asked.batch if asked.network.together else 1  # it would be changed in one picture after the other
    # by the same way as without a channel, so that rounding is the same
    kept = [_said_changed(asked, pictures[some], some, name, torch.clone) for some in rows.split(batch)]
    score = torch.cat(kept)
    facts = [{"layer": name, "value": float(value)} for value in score]

    def ask(rows: Tensor, channels: Tensor) -> Tensor:
        def without(activations: Tensor) -> Tensor:
            left = activations.clone()
            left[torch.arange(len(left)), channels] = 0
            return left

        return _said_changed(asked, pictures[rows], rows, name, without)

    def weigh(said: Tensor, known: Tensor) -> Tensor:
        missed = torch.where(known, score[:, None] - said, 0.0)
        return missed / torch.where(score != 0, score.abs(), 1.0)[:, None]

    alive = whole.flatten(2).any(2).cpu()  # without a channel that is 0, nothing is another
    said = score[:, None].repeat(1, there.shape[1])
    return _channel_by_channel(pictures, there, said, _asked_about(alive, batch), ask, weigh, facts)


@explains("what the channels of a late layer have in common", "sensitivity", "overlay", asks=False)
def eigen_cam(
    asked: Question,
    pictures: Pictures,
    *,
    layer: str | None = None,
    centred: Annotated[bool, Words("take the mean over places out of each channel first")] = True,
    **common: Unpack[Showing],
) -> Maps:
    """Show where a layer is most itself: its first principal component, whatever the class (Eigen-CAM).

    With the activations as a matrix of places by channels, it is their product with the first right singular vector;
    the half is shown where the layer is stronger.

    Args:
        layer: whose places; by default the last one that has any.
        centred: take the mean over places out of each channel first, as pytorch-grad-cam does; the paper does not.
    """
    name = chosen_layer(asked, pictures, layer, _matters)
    there = as_places(asked.network, name, _activations(asked, pictures, name), pictures)
    matrices = there.flatten(2).transpose(1, 2).cpu().double()  # not on the device: Apple's has no doubles
    lengths = matrices.norm(dim=2)
    if centred:
        matrices = matrices - matrices.mean(1, keepdim=True)
    first = torch.linalg.svd(matrices, full_matrices=False).Vh[:, 0]
    along = torch.einsum("npk,nk->np", matrices, first)
    along = along * torch.where((along * lengths).sum(1) < 0, -1.0, 1.0)[:, None]  # a singular vector has no sign
    maps = along.clamp(min=0).unflatten(1, tuple(there.shape[2:])).to(there)
    return Maps(enlarged(maps, pictures), [{"layer": name}] * len(pictures))
