"""How `natural.safetensors` was made, what layers of `embedded:photo` do on photographs: `python -m training.natural`.

Mean, deviation and correlations of the activations at a place, over all places of every fifth of the 50 000 pictures
that the network was trained on, at their 64 px, mirrored or not. Summed over 10 000 pictures and all places, nothing of
a photograph is in them. float16; of the correlations one triangle.
"""

from collections.abc import Iterator

import torch
from safetensors.torch import save_file
from torch import Tensor

from phosphene.core.networks.network import Network
from phosphene.core.optimization.natural import MEASURED, measured
from phosphene.models.specs import load
from training.tiny_imagenet import tiny_imagenet

LAYERS = ("conv1", "conv2", "mixed3a", "mixed3b", "mixed4a")
DEFAULT = "conv2"  # it tells photographs from noise and from shuffled pixels best
EVERY, BATCH = 5, 100


def activations(network: Network, layer: str, pictures: Tensor) -> Iterator[Tensor]:
    """What a layer says about them, batch by batch; every second one mirrored."""
    for index, some in enumerate(pictures.split(BATCH)):
        x = some.float() / 255
        with torch.no_grad():
            yield network.read(x.flip(3) if index % 2 else x, [layer])[layer]


def main() -> None:
    """Write the file to where the priors look for it."""
    network = load("embedded:photo").planned("reading")
    pictures = tiny_imagenet()[0].pictures[::EVERY]
    tensors = {}
    for layer in LAYERS:
        found = measured(activations(network, layer, pictures))
        rows, columns = torch.tril_indices(*found.correlation.shape, -1)
        tensors |= {
            f"{layer}.mean": found.mean.float(),
            f"{layer}.deviation": found.deviation.float(),
            f"{layer}.correlation": found.correlation[rows, columns].half(),
        }
    about = {"network": network.name, "sha256": network.sha256, "layers": ",".join(LAYERS), "default": DEFAULT}
    save_file(tensors, MEASURED, about | {"pictures": str(len(pictures))})
    print(f"{MEASURED.name}: {MEASURED.stat().st_size} bytes from {len(pictures)} pictures")


if __name__ == "__main__":
    main()
