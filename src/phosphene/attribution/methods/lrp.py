"""Layer-wise relevance propagation: what each pixel contributed to a score, handed down layer by layer.

Bach et al. 2015 (doi:10.1371/journal.pone.0130140); the composites, which rule for which layer, after Montavon et al.
2019 (doi:10.1007/978-3-030-28954-6_10) and Kohlbrenner et al. 2020 (arXiv:1910.09840), with zennit's names and numbers.
`relevance.py` has the rules. Which function is which layer is seen while the network runs, so that it is no matter how
the network is written:

- A convolution and a fully connected layer follow the composite. The layer that sees the picture hands out relevance
  itself; what comes before it (a normalization inside the model, channels in another order) passes it on. Padding
  before it is pixels too: what the flat rule gives them is lost.
- Batch normalization is folded into the convolution before it while the network is borrowed; where it can't be, and
  local response normalization, pass relevance on element by element, as every activation does.
- Additions of two signals, means, sums and average pooling share in proportion; maxima pass on to the winner.
- Layer, group and instance normalization divide by a constant; so does every division; attention weights and gates
  (sigmoid, softmax) are constants too (Ali et al. 2022, arXiv:2202.07304; Arras et al. 2017, arXiv:1706.07206), which
  makes it work on transformers. Another product of two signals halves it among them.
- Anything else keeps its gradient, which for linear functions is the epsilon rule with epsilon 0.

What biases contributed, and what the stabilizer takes, reaches no pixel; it is told.
"""

from dataclasses import replace
from typing import Literal, Unpack

import torch
from torch import Tensor

from phosphene.attribution.explanation import Common, explains
from phosphene.attribution.maps import Maps
from phosphene.attribution.methods.propagation import Propagated
from phosphene.attribution.methods.relevance import Rules, alpha_beta, box, epsilon, flat, gamma, z_plus
from phosphene.attribution.question import Pictures, Question, copied, every
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.plan import REWRITES
from phosphene.core.options import Weight

Composite = Literal[
    "epsilon", "gamma", "epsilon-plus", "epsilon-plus-flat", "epsilon-gamma-box", "epsilon-alpha2-beta1",
    "epsilon-alpha2-beta1-flat",
]  # fmt: skip


def rules(composite: Composite, size: float = 1e-6, more: float = 0.25) -> Rules:
    """The rules of a composite.

    Args:
        size: epsilon.
        more: gamma.
    """
    connected, favouring, weighing = epsilon(size), gamma(more), alpha_beta(2, 1)
    return {
        "epsilon": Rules(connected, connected),
        "gamma": Rules(favouring, favouring),
        "epsilon-plus": Rules(z_plus, connected),
        "epsilon-plus-flat": Rules(z_plus, connected, flat),
        "epsilon-gamma-box": Rules(favouring, connected, box),
        "epsilon-alpha2-beta1": Rules(weighing, connected),
        "epsilon-alpha2-beta1-flat": Rules(weighing, connected, flat),
    }[composite]


def folding(network: Network) -> Network:
    """The network with its batch normalization folded; not for speed: a bias of its own would take relevance."""
    if network.dtype in (torch.float16, torch.bfloat16):  # relevance is divided by what may be nearly nothing
        network = network.of(copied(network).float())
    folding = network.planned("search")
    return folding.following({**folding.own_plans, "search": replace(network.plan, rewrites=REWRITES)})


@explains("what speaks for it (red) and against it (blue)", "contribution", "heat")
def lrp(
    asked: Question,
    pictures: Pictures,
    *,
    composite: Composite = "epsilon-plus-flat",
    epsilon: Weight = 1e-6,
    gamma: Weight = 0.25,
    **common: Unpack[Common],
) -> Maps:
    """Show the relevance of every colour of every pixel: the score, handed down layer by layer to what it came from.

    Of a class it is the logit's; of log p and p, relevance begins at the logits as each logit times its gradient. Each
    result tells the score, the sum of the relevance, and what is lost between them: to biases and the stabilizer.

    Args:
        composite: which rule for which layers. epsilon or gamma for all; or epsilon for fully connected layers with,
            for convolutions, plus (what contributed positively), gamma or alpha2-beta1 (twice the positive less the
            negative), and, where the picture is seen, flat (each pixel alike) or box (against black and white).
        epsilon: of the epsilon rule: damps what cancels out, in units of the layer's output.
        gamma: of the gamma rule: how much what contributed in the output's direction is favoured.
    Raises:
        Mistake: a network without a convolution or fully connected layer that can be seen.
    """
    chosen = rules(composite, epsilon, gamma)
    network = folding(asked.network)
    ends = torch.zeros_like(pictures[:1]), torch.ones_like(pictures[:1])
    low, high = (network.preprocess(end).detach() for end in ends)
    passes: list[Propagated] = []

    def propagation(x: Tensor) -> Propagated:
        passes.append(Propagated(chosen, x, (low, high)))
        return passes[-1]

    said, gradient = asked.to(network).gradients(pictures, every(pictures), propagation)
    if not any(one.layers for one in passes):
        raise Mistake(
            f"lrp hands relevance through convolutions and fully connected layers, and {network.name} has none that "
            "can be seen before what is asked about; take input-x-gradient"
        )
    # relevance came to the door as it is, and there each colour is divided by its deviation
    relevance = gradient * gradient.new_tensor(network.std).view(-1, 1, 1)
    sums = relevance.flatten(1).sum(1)
    facts = [{"value": float(v), "relevance": float(r), "lost": float(v - r)} for v, r in zip(said, sums, strict=True)]
    return Maps(relevance, facts)
