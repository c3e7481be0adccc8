"""torchvision's classification networks."""

import sys
from contextlib import redirect_stdout
from typing import Any

import torch
from torch import nn

from phosphene.core.errors import Mistake, did_you_mean, first_line

# ------------------------------------------------------------------------------------------------- zoos


def import_torchvision() -> Any:
    """torchvision, also where its compiled operators can't be loaded (a CPU build of torch beside PyPI's wheel).

    Its classification networks need none of them, but importing it registers shape functions for two; so these two are
    declared, without an implementation, where they are missing.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        import torchvision

        torchvision._phosphene_library = library  # a library's operators vanish with it
    return torchvision


def torchvision_names() -> list[str]:
    models = import_torchvision().models
    return models.list_models(module=models)


def torchvision_network(name: str, options: dict[str, Any]) -> tuple[nn.Module, dict[str, Any]]:
    models = import_torchvision().models
    names = torchvision_names()
    if name not in names:
        raise Mistake(f"torchvision has no network '{name}'{did_you_mean(name, names)}")
    every = models.get_model_weights(name)
    which = str(options.pop("weights", "DEFAULT"))
    untrained = which.casefold() == "none"
    if not untrained and not hasattr(every, which):
        raise Mistake(f"{name} has no weights '{which}'; there are {', '.join(w.name for w in every)} and none")
    weights = every.DEFAULT if untrained else every[which] if which != "DEFAULT" else every.DEFAULT
    preset = weights.transforms()
    facts = {"mean": preset.mean, "std": preset.std, "size": preset.crop_size[0]}
    labels = weights.meta["categories"]
    if options.get("num_classes", len(labels)) == len(labels):
        facts["labels"] = labels
    try:
        with torch.random.fork_rng(devices=[]), redirect_stdout(sys.stderr):  # a download says so
            torch.manual_seed(0)
            model = models.get_model(name, weights=None if untrained else weights, **options)
    except (TypeError, ValueError) as error:
        raise Mistake(f"torchvision's {name} can't be made like this: {first_line(error)}") from error
    except (OSError, RuntimeError) as error:
        raise Mistake(
            f"the weights of {name} are not in the cache and could not be fetched ({first_line(error)}); "
            f"torchvision:{name}?weights=none is the untrained network"
        ) from error
    facts["size"] = getattr(model, "image_size", facts["size"])  # of transformers, which take no other
    return model, facts
