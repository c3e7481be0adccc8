"""Methods that this program does not have, through Captum (the extra `phosphene[captum]`), by its names for them.

Captum is given a function from pictures (RGB in [0, 1]) to what is asked about, one picture at a time; where a method
needs a baseline it is black, and where it perturbs features one by one they are squares. What Captum does with hooks on
modules (DeepLift, its own guided backprop) it does right only where every activation is a module of its own.
"""

import inspect
import warnings
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from phosphene.attribution.explanation import Common, explains
from phosphene.attribution.maps import Explainer, Growing, Maps
from phosphene.attribution.question import Pictures, Question
from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.extras import needed
from phosphene.core.networks.borrowing import borrowed
from phosphene.core.optimization.terms import Reading
from phosphene.core.options import Bounds, Seed

PREFIX = "captum:"
HOOKED = ("DeepLift", "DeepLiftShap", "GuidedBackprop", "GuidedGradCam", "Deconvolution", "LRP")
"""What works by hooks on the modules of activations: where those are functions, it is another method, silently."""


BATCHED = ("internal_batch_size", "perturbations_per_eval", "nt_samples_batch_size")
"""What Captum's algorithms call the number of pictures that go through the network at a time."""


class Asked(nn.Module):
    """What is asked of a network, about one picture, as a module from (n, 3, h, w) in [0, 1] to (n,)."""

    def __init__(self, asked: Question) -> None:
        super().__init__()
        self.asked = asked
        self.model = asked.network.model  # so that Captum finds its modules

    def forward(self, pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        rows = torch.zeros(len(pictures), dtype=torch.long, device=pictures.device)
        layers = self.asked.network.read(pictures, self.asked.term.layers)
        of = torch.arange(len(pictures), device=pictures.device)
        return self.asked.term.of(Reading(pictures, rows, pictures, of, layers, self.asked.network.head))


def algorithms() -> dict[str, type]:
    """Captum's attributions to the input, by name.

    Raises:
        Mistake: Captum is not installed.
    """
    found = needed("captum.attr", "captum:NAME", "Captum", "captum")
    base = found.Attribution
    kinds = {name: kind for name, kind in vars(found).items() if inspect.isclass(kind) and issubclass(kind, base)}
    return {
        name: kind
        for name, kind in kinds.items()
        if not name.startswith(("Layer", "Neuron", "Internal", "LLM"))
        and not name.endswith(("Attribution", "Base"))
        and "attr_method" not in _parameters(kind.__init__)
    }


def _parameters(function: Any) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters


def squares(size: tuple[int, int], side: int) -> Int[Tensor, "1 1 h w"]:
    """The number of the square of `side` px that each pixel belongs to."""
    rows, columns = (torch.arange(length) // side for length in size)
    return (rows[:, None] * (int(columns[-1]) + 1) + columns[None])[None, None]


def captum_method(name: str) -> Explainer:
    """The recipe of one of Captum's algorithms.

    Raises (when called):
        Mistake: there is none of this name, or Captum is not installed.
    """

    def captum(
        asked: Question,
        pictures: Pictures,
        *,
        square: Annotated[int, Bounds(1, 10_000)] = 16,
        seed: Seed = 0,
        **common: Unpack[Common],
    ) -> Growing:
        """Show what a method of Captum says (Kokhlikyan et al. 2020, arXiv:2009.07896).

        Args:
            square: side in pixels of the squares that methods which perturb features take as such.
            seed: of random numbers.
        """
        known = algorithms()
        if name not in known:
            near = did_you_mean(name, known) or f"; there are {', '.join(sorted(known))}"
            raise Mistake(f"Captum has no method '{name}' for the input{near}")
        kind = known[name]

        def run() -> Iterator[tuple[int, Maps]]:
            values = torch.zeros_like(pictures)
            hooked = name in HOOKED and asked.network.functional_rectifiers
            facts = (
                [{"blind": f"Captum's {name} sees modules alone, and rectifiers here are functions"}] if hooked else []
            )
            for index in range(len(pictures)):
                values[index] = _attributed(kind, asked.of([index]), pictures[index : index + 1], square, seed)
                yield index + 1, Maps(values, facts * len(pictures))

        return Growing(len(pictures), run())

    captum.__name__ = PREFIX + name  # by which a picture of it is made again
    return explains(f"what Captum's {name} says", "contribution", "heat", uses=("captum",))(captum)


def _attributed(kind: Any, asked: Question, picture: Pictures, square: int, seed: int) -> Float[Tensor, "c h w"]:
    """What an algorithm says about one picture."""
    size = (picture.shape[2], picture.shape[3])
    takes = _parameters(kind.attribute)
    options: dict[str, Any] = {}
    if "baselines" in takes:
        options["baselines"] = torch.zeros_like(picture)
        if "Shap" in kind.__name__ and "feature_mask" not in takes:  # a distribution of them
            options["baselines"] = torch.zeros_like(picture).repeat(2, 1, 1, 1)
    if "feature_mask" in takes:
        options["feature_mask"] = squares(size, square).to(picture.device)
    if "sliding_window_shapes" in takes:
        every = (picture.shape[1], square, square)
        options |= {"sliding_window_shapes": every, "strides": every}
    if "abs" in takes:
        options["abs"] = False
    options |= {name: asked.batch for name in BATCHED if name in takes}
    fed = picture.clone().requires_grad_()
    model = Asked(asked)
    try:
        with torch.random.fork_rng(), warnings.catch_warnings(action="ignore"), borrowed(asked.network.model):
            torch.manual_seed(seed)
            found = kind(model).attribute(fed, **options)
    except Mistake:
        raise
    except Exception as error:  # whatever Captum says of a network that it can't take
        first = str(error).strip().partition("\n")[0] or type(error).__name__
        raise Mistake(f"Captum's {kind.__name__} can't be had of {asked.network.name}: {first}") from error
    return found.detach()[0].to(picture.dtype)
