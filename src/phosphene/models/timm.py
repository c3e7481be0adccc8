"""timm's networks (the extra `phosphene[timm]`)."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn

from phosphene.core.errors import Mistake, did_you_mean, first_line
from phosphene.core.extras import needed
from phosphene.models.torchvision import import_torchvision


def timm_network(name: str, options: dict[str, Any]) -> tuple[nn.Module, dict[str, Any]]:
    import_torchvision()
    timm = needed("timm", "timm:NAME", "timm", "timm")
    if not timm.is_model(name):
        raise Mistake(f"timm has no network '{name}'{did_you_mean(name, timm.list_models())}")
    pretrained = str(options.pop("weights", "default")).casefold() != "none"
    unreachable = _unreachable() if pretrained else None
    try:
        with torch.random.fork_rng(devices=[]), _cache_alone() if unreachable else nullcontext():
            torch.manual_seed(0)
            model: Any = timm.create_model(name, pretrained=pretrained, **options)
    except TypeError as error:
        raise Mistake(f"timm's {name} can't be made like this: {first_line(error)}") from error
    except Exception as error:  # whatever the ways to Hugging Face raise today
        why = unreachable or first_line(error)
        raise Mistake(
            f"the weights of {name} are not in the cache and could not be fetched ({why}); "
            f"timm:{name}?weights=none is the untrained network"
        ) from error
    config = model.pretrained_cfg
    facts: dict[str, Any] = {"mean": config["mean"], "std": config["std"], "size": tuple(config["input_size"][1:])}
    if config.get("num_classes") == getattr(model, "num_classes", 1000) == 1000:
        info = timm.data.ImageNetInfo()
        facts["labels"] = [info.index_to_description(index) for index in range(1000)]
    return model, facts


PATIENCE = 5.0
"""Seconds that Hugging Face has to answer the one question whether it is there."""


def _unreachable() -> str | None:
    """Why Hugging Face does not answer, if so; asked once, as its own client asks for minutes."""
    import huggingface_hub

    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    try:
        huggingface_hub.get_session().head(huggingface_hub.constants.ENDPOINT, timeout=PATIENCE)
    except Exception as error:  # whatever its client raises today
        return f"{huggingface_hub.constants.ENDPOINT}: {first_line(error)}"
    return None


@contextmanager
def _cache_alone() -> Iterator[None]:
    """What was fetched before is found, and nothing is asked for."""
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
