"""What networks take: channels, sizes, ranges, names, further inputs."""

import torch
from torch import nn
from torch.nn import functional as F

from tests.zoo.case import Case, Net, conv, linear, mean, plainest


class Keyword(nn.Module):
    """Takes its picture by name alone."""

    def __init__(self):
        super().__init__()
        self.body = plainest()

    def forward(self, *, pixel_values, output_attentions=False, return_dict=True):
        return self.body(pixel_values)


class Anything(nn.Module):
    """Takes what it gets."""

    def __init__(self):
        super().__init__()
        self.body = plainest()

    def forward(self, *args, **kwargs):
        return self.body(args[0] if args else kwargs["x"])


class Beside(nn.Module):
    """Takes a second input: numbers about the patient, a text's embedding."""

    def __init__(self, further=3):
        super().__init__()
        self.a, self.meta, self.fc = conv(), linear(further, 4), linear(8)

    def forward(self, x, meta):
        return self.fc(torch.cat([mean(self.a(x).relu()), self.meta(meta)], 1))


class Timed(nn.Module):
    """Takes the step of a diffusion beside the picture."""

    def __init__(self):
        super().__init__()
        self.a, self.when, self.fc = conv(), nn.Embedding(10, 4), linear()

    def forward(self, x, timesteps):
        return self.fc(mean((self.a(x) + self.when(timesteps)[:, :, None, None]).relu()))


class Called(nn.Module):
    """Prepares its picture in `__call__`."""

    def __init__(self):
        super().__init__()
        self.a, self.fc = conv(), linear()

    def __call__(self, x):
        return super().__call__(2 * x - 1)

    def forward(self, x):
        return self.fc(mean(self.a(x).relu()))


def checked(check):
    """The plainest network behind a check of what it gets."""

    def run(m, x):
        check(x)
        return m.body(x)

    return Net(run, body=plainest())


def in_32s(x):
    if x.shape[2] % 32 or x.shape[3] % 32:
        raise ValueError(f"input size {tuple(x.shape[2:])} must be a multiple of 32")


def of_one_size(x):
    assert x.shape[-2:] == (24, 24), "wrong size"


def in_range(x):
    assert x.min() >= -3 and x.max() <= 3, "normalize first"


def first_is_grey():
    def run(m, x):
        y = m.stem(x).relu()
        return m.fc(mean(y * m.attention(x.mean(1, keepdim=True)).sigmoid()))

    return Net(run, attention=conv(1, 1, 5), stem=conv(), fc=linear())


def first_is_unused():
    return Net(lambda m, x: m.body(x), depth_branch=conv(4, 2), body=plainest())


COLOURS = dict.fromkeys(["visualize", "invert"], "three colours are painted")
"""What is right where there is no colour to paint with."""
META = torch.tensor([[0.3, -1.0, 0.5]])
TEXT = torch.linspace(-1, 1, 6)[None]
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.25, 0.3]
RGB = {"mean": MEAN, "std": STD}

INPUTS = [
    Case("plainest", "nothing", plainest, RGB, rectified=True),
    Case("bgr", "wants blue first", plainest, RGB | {"bgr": True}, rectified=True),
    Case("bytes", "wants pixels of 0 to 255", plainest, {"mean": [0.0], "std": [1 / 255]}, rectified=True),
    Case("oblong", "a size that is no square", plainest, RGB, size=(16, 28), rectified=True),
    Case("size-by-trial", "its size is not given", lambda: Net(
        lambda m, x: m.fc(m.a(x).relu().flatten(1)), a=conv(3, 2), fc=linear(2 * 32 * 32)), RGB, size=None),
    Case("first-is-grey", "the first registered convolution is not the first that runs", first_is_grey, RGB,
         layer="stem"),
    Case("first-is-unused", "the first registered convolution wants depth, and never runs", first_is_unused, RGB,
         layer="body.a", rectified=True),
    Case("grey", "one channel, given colours", lambda: plainest(1), {"mean": [0.4], "std": [0.3]}, grey=True,
         rectified=True),
    Case("grey-by-a-linear-layer", "one channel without a convolution", lambda: Net(
        lambda m, x: m.fc(m.a(x.flatten(1)).relu()), a=linear(24 * 24, 6), fc=linear(6)),
        {"channels": 1}, grey=True, layer=None, rectified=True),
    Case("greyed-inside", "makes its own grey of colours", lambda: Net(
        lambda m, x: m.body(x.mean(1, keepdim=True)), body=plainest(1)), RGB, layer="body.a", rectified=True),
    Case("two-channels", "two polarizations, by trial", lambda: plainest(2), channels=2, rectified=True,
         refused=COLOURS),
    Case("four-channels", "red, green, blue, infrared: as many as the mean has", lambda: plainest(4),
         {"mean": [0.5, 0.4, 0.3, 0.2], "std": [0.2, 0.25, 0.3, 0.4]}, channels=4, rectified=True, refused=COLOURS),
    Case("six-channels", "two photographs on one another", lambda: plainest(6), {"channels": 6, "mean": [0.5]},
         channels=6, rectified=True, refused=COLOURS),
    Case("twelve-channels", "a satellite, shown by a triple", lambda: plainest(12),
         {"channels": 12, "shown": (3, 2, 1)}, channels=12, rectified=True, refused=COLOURS),
    Case("normalizes-itself", "mean and deviation are buffers of the model", lambda: Net(
        lambda m, x: m.body((x - m.mean) / m.std), body=plainest(),
        mean=nn.Buffer(torch.tensor(MEAN).view(1, 3, 1, 1)), std=nn.Buffer(torch.tensor(STD).view(1, 3, 1, 1))),
        layer="body.a"),
    Case("resizes-itself", "brings every picture to 16 px", lambda: Net(
        lambda m, x: m.body(F.interpolate(x, (16, 16), mode="bilinear", align_corners=False)), body=plainest()),
        RGB, layer="body.a"),
    Case("pads-itself", "pads to a multiple of 32, more on one side", lambda: Net(
        lambda m, x: m.body(F.pad(x, (1, 32 - x.shape[3] % 32 - 1, 0, 32 - x.shape[2] % 32))), body=plainest()),
        RGB, layer="body.a"),
    Case("as-a-film", "a film of one picture, by a convolution in space and time", lambda: Net(
        lambda m, x: m.fc(m.film(x[:, :, None]).relu().mean((2, 3, 4))),
        film=nn.Conv3d(3, 4, (1, 3, 3), padding=(0, 1, 1)), fc=linear()), RGB, layer=None),
    Case("a-film-of-eight", "repeats its picture in time", lambda: Net(
        lambda m, x: m.fc(m.film(x[:, :, None].repeat(1, 1, 8, 1, 1)).relu().mean((2, 3, 4))),
        film=nn.Conv3d(3, 4, 3, padding=1), fc=linear()), RGB, layer=None),
    Case("multiple-of-32", "raises on other sizes", lambda: checked(in_32s), RGB, size=32, layer="body.a"),
    Case("one-size", "asserts its size", lambda: checked(of_one_size), RGB, layer="body.a"),
    Case("one-range", "asserts the range of its input", lambda: checked(in_range), RGB, layer="body.a"),
    Case("keyword", "its picture has a name", Keyword, RGB | {"input": "pixel_values"},
         run=lambda m, x: m(pixel_values=x), layer="body.a", rectified=True),
    Case("keyword-by-trial", "its picture has a name, which is not given", Keyword, RGB,
         run=lambda m, x: m(pixel_values=x), layer="body.a", may=("*",)),
    Case("mapping", "takes a dict", lambda: Net(lambda m, batch: m.body(batch["image"]), body=plainest()),
         RGB | {"input": "image"}, run=lambda m, x: m({"image": x}), layer="body.a", rectified=True),
    Case("anything", "forward(*args, **kwargs)", Anything, RGB, layer="body.a", rectified=True),
    Case("metadata", "a second input that is held fixed", Beside, RGB | {"inputs": {"meta": META}},
         run=lambda m, x: m(x, META.to(x).expand(len(x), -1))),
    Case("text", "a text's embedding is held fixed", lambda: Beside(6), RGB | {"inputs": {"meta": TEXT}},
         run=lambda m, x: m(x, TEXT.to(x).expand(len(x), -1))),
    Case("timestep", "whole numbers are held fixed", Timed, RGB | {"inputs": {"timesteps": torch.tensor([7])}},
         run=lambda m, x: m(x, torch.full((len(x),), 7))),
    Case("metadata-missing", "a second input that nobody gave", Beside, RGB, refused={"*": "meta|input"}),
    Case("call-overridden", "prepares its input in __call__", Called, RGB),
    Case("too-many-channels", "a mean for three of five channels", lambda: plainest(5), RGB,
         channels=5, refused={"*": "channel|picture"}),
]  # fmt: skip
