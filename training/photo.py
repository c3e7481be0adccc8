"""Train `embedded:photo` and `embedded:photo-robust`: `python -m training.photo [photo-robust]`.

`photo` is trained in two cycles of the learning rate: a long one on crops of many sizes, whose pictures grow on the way
because small ones are cheaper, and a short one on plain crops, which is what the network is asked about later.
`photo-robust` starts from `photo` and sees adversarial pictures alone, by the recipe of `phosphene train-robust`. What
is shipped is the exponential moving average of the weights, with batch normalization folded into the convolutions.
After an interruption, the same command goes on where it was.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from phosphene.adversarial.robust import robust_course
from phosphene.adversarial.training import Course, Training
from phosphene.adversarial.training_steps import accuracy
from phosphene.core.networks.network import Network
from phosphene.core.optimization.training.pictures import Examples, resized
from phosphene.core.saving import save
from phosphene.models.photo import Photo, folded, unfolded
from training.tiny_imagenet import CACHE, tiny_imagenet

SIDE, SEED = 64, 0
MEAN, STD = (0.48, 0.448, 0.398), (0.277, 0.269, 0.282)
WEIGHTS = Path(__file__).resolve().parents[1] / "src" / "phosphene" / "models" / "weights"


def courses(name: str, data: Examples) -> tuple[Course, ...]:
    """The cycles of the learning rate of each network, one after the other."""
    if name == "photo":
        return (
            Course((48,) * 7 + (64,) * 9, 0.0, peak=0.2, crops=(48, 68), pad=6, decay=0.998),
            Course((64,) * 6, 0.0, peak=0.06, crops=(64, 64), pad=4, decay=0.99),
        )
    recipe = robust_course(data, epochs=16, eps=4 / 255, size=SIDE, grows=True, rate=0.1, flip=True, batch=128)
    return (recipe,)


def network_of(model: Photo, precision: str = "auto") -> Network:
    """The model with its input."""
    return Network(model, mean=MEAN, std=STD, size=SIDE, precision=precision, name="photo")


def start(name: str, data: Examples) -> Photo:
    """`photo` starts from nothing, `photo-robust` from `photo`."""
    if name == "photo":
        torch.manual_seed(SEED)
        return Photo(norm=True)
    plain = Photo()
    plain.load_state_dict({k: v.float() for k, v in load_file(WEIGHTS / "photo.safetensors").items()})
    some = torch.arange(0, len(data.labels), 50)
    return unfolded(plain, Photo(norm=True), network_of(plain).preprocess(resized(data.pictures[some], SIDE)))


def trained(name: str, data: Examples, val: Examples, precision: str) -> Photo:
    """The averaged model; goes on from the last finished epoch."""
    some = val.part(torch.arange(0, len(val.labels), 10))
    model = start(name, data)
    for number, course in enumerate(courses(name, data)):
        training = Training(network_of(model, precision), data, some, course, SEED)
        checkpoint = CACHE / f"{name}-{number}.checkpoint"
        if checkpoint.exists():
            training.resume(checkpoint)
        for epoch in training:
            if epoch is not None:
                save({checkpoint: training.saved()})
                print(epoch, training.words, flush=True)
        model = training.model
    return training.average


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", nargs="?", default="photo", choices=("photo", "photo-robust"))
    parser.add_argument("--float32", action="store_true", help="even where the processor has bfloat16 instructions")
    options = parser.parse_args()
    data, val, labels = tiny_imagenet()
    model = folded(trained(options.network, data, val, "float32" if options.float32 else "auto"))
    halves = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    shipped = Photo()
    shipped.load_state_dict({name: value.float() for name, value in halves.items()})
    top1, pgd20 = (100 * share for share in accuracy(network_of(shipped), val, 2 / 255, side=SIDE, seed=SEED))
    about = f"a small Inception trained on 100 classes of Tiny ImageNet, 64 px, {top1:.1f} % top-1"
    if options.network == "photo-robust":
        about += f"; trained adversarially, {pgd20:.1f} % under PGD-20 at 2/255"
    WEIGHTS.mkdir(exist_ok=True)
    spec = {"mean": MEAN, "std": STD, "input_size": SIDE, "labels": labels, "about": about}
    save_file(halves, WEIGHTS / f"{options.network}.safetensors", {"spec": json.dumps(spec)})
    print(json.dumps({"top1": round(top1, 2), "pgd20_at_2_255": round(pgd20, 2)}))


if __name__ == "__main__":
    main()
