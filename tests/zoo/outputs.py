"""What networks return: heads, axes, containers, numbers that are hard to take."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tests.zoo.case import GRADIENTS, RECIPES, Case, Net, conv, ending, linear, mean, plainest
from tests.zoo.inputs import RGB

Both = namedtuple("Both", ["features", "logits"])
Plain = namedtuple("Plain", ["scores", "features"])


@dataclass
class Answer:
    """As some frameworks return it."""

    loss: Tensor | None
    logits: Tensor
    hidden_states: tuple[Tensor, ...] = ()


class ModelOutput(OrderedDict):
    """A dict whose values are attributes too, and can be counted through."""

    def __getattr__(self, name):
        if name in self:
            return self[name]
        raise AttributeError(name)

    def __getitem__(self, key):
        return list(self.values())[key] if isinstance(key, int) else super().__getitem__(key)


def detected(m, x):
    """As torchvision's detectors answer: for every picture a dict, boxes first."""
    scores = m.body(x).softmax(1)
    boxes = torch.tensor([[0.0, 0.0, 8.0, 8.0], [4.0, 4.0, 20.0, 20.0]], device=x.device, dtype=x.dtype)
    return [{"boxes": boxes, "labels": torch.tensor([1, 3]), "scores": one[[1, 3]]} for one in scores]


def of_boxes(answer):
    """Each box's score as a class of its own."""
    return torch.stack([one["scores"] for one in answer])


def spatial(end):
    """A map of classes, and what becomes of it."""
    return Net(lambda m, x: end(m.b(m.a(x).relu())), a=conv(), b=conv(4, 5, 1))


def tokens():
    return Net(lambda m, x: m.fc(m.a(x).relu().flatten(2).transpose(1, 2)), a=conv(3, 4, 4, stride=4, padding=0),
               fc=linear())  # fmt: skip


def saturated():
    """A rectifier that lets nothing through for any picture."""
    model = plainest()
    with torch.no_grad():
        model.b.bias.fill_(-100.0)
    return model


def standardized(m, x):
    return m.body((x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True))


ONE = {"outputs": 1}
NO_NUMBER = {"*": "tensor|output"}

OUTPUTS = [
    Case("one-logit", "(n, 1)", lambda: plainest(**ONE), RGB, head="one", rectified=True),
    Case("one-number-each", "(n,)", lambda: ending(lambda y: y[:, 0], **ONE), RGB,
         run=lambda m, x: m(x)[:, None], head="one", layer="body.a", rectified=True),
    Case("squeezed", "loses the batch of one", lambda: ending(lambda y: y.squeeze()), RGB,
         run=lambda m, x: m(x).reshape(len(x), -1), layer="body.a", rectified=True),
    Case("one-logit-squeezed", "a single number for a batch of one", lambda: ending(lambda y: y.squeeze(), **ONE), RGB,
         run=lambda m, x: m(x).reshape(len(x), -1), head="one", layer="body.a", rectified=True),
    Case("multi-label", "sigmoid logits, as they are said to be", plainest, RGB | {"head": "sigmoid"}, head="sigmoid",
         rectified=True),
    Case("softmax-inside", "returns probabilities", lambda: ending(lambda y: y.softmax(1)), RGB, head="probabilities",
         layer="body.a"),
    Case("softmax-module", "its last module is a softmax", lambda: nn.Sequential(OrderedDict(
        a=conv(), r=nn.ReLU(), p=nn.AdaptiveAvgPool2d(1), f=nn.Flatten(), fc=linear(), s=nn.Softmax(dim=1))), RGB,
        head="probabilities"),
    Case("sigmoid-inside", "the probability of one class", lambda: ending(torch.sigmoid, **ONE),
         RGB | {"head": "probabilities"}, run=lambda m, x: torch.cat([1 - m(x), m(x)], 1), head="probabilities",
         layer="body.a"),
    Case("sigmoids-inside", "a probability for each label", lambda: ending(torch.sigmoid),
         RGB | {"head": "probabilities"}, head="probabilities", layer="body.a"),
    Case("log-softmax-inside", "returns log p, whose softmax is p", lambda: ending(lambda y: y.log_softmax(1)), RGB,
         layer="body.a"),
    Case("regression", "an age", lambda: plainest(**ONE), RGB | {"head": "numbers"}, head="numbers", rectified=True,
         target=0),
    Case("three-numbers", "a direction of gaze", lambda: plainest(outputs=3), RGB | {"head": "numbers"},
         head="numbers", rectified=True),
    Case("an-axis-too-many", "(n, 1, classes)", lambda: ending(lambda y: y[:, None]), RGB, layer="body.a",
         run=lambda m, x: m(x)[:, 0], rectified=True),
    Case("axes-of-one", "(n, classes, 1, 1)", lambda: ending(lambda y: y[:, :, None, None]), RGB, layer="body.a",
         run=lambda m, x: m(x)[:, :, 0, 0], rectified=True),
    Case("a-class-for-each-token", "(n, tokens, classes)", tokens, RGB, run=lambda m, x: m(x).mean(1), rectified=True),
    Case("map", "(n, classes, h, w)", lambda: spatial(lambda y: y), RGB, run=lambda m, x: mean(m(x)), rectified=True),
    Case("map-channels-last", "(n, h, w, classes)", lambda: spatial(lambda y: y.permute(0, 2, 3, 1)), RGB,
         run=lambda m, x: m(x).mean((1, 2)), rectified=True),
    Case("segmentation", "a dict of maps, as torchvision's", lambda: spatial(
        lambda y: OrderedDict(out=y, aux=2 * y)), RGB, run=lambda m, x: mean(m(x)["out"]), rectified=True),
    Case("tuple", "logits, then features", lambda: Net(
        lambda m, x: (m.body(x), m.body.a(x)), body=plainest()), RGB, run=lambda m, x: m(x)[0], layer="body.b"),
    Case("second-of-a-tuple", "features, then logits", lambda: Net(
        lambda m, x: (m.body.a(x), m.body(x)), body=plainest()), RGB | {"output": 1}, run=lambda m, x: m(x)[1],
        layer="body.b"),
    Case("list", "several heads", lambda: ending(lambda y: [y, -y]), RGB, run=lambda m, x: m(x)[0], layer="body.a"),
    Case("dict-by-key", "a key that is named", lambda: ending(lambda y: {"features": y[:, :2], "logits": y}),
         RGB | {"output": "logits"}, run=lambda m, x: m(x)["logits"], layer="body.a", rectified=True),
    Case("dict-of-one", "a key that is not named", lambda: ending(lambda y: {"cls": y}), RGB,
         run=lambda m, x: m(x)["cls"], layer="body.a", rectified=True),
    Case("nested", "found by a function", lambda: ending(lambda y: {"heads": [{"cls": y}, {"cls": -y}]}),
         RGB | {"output": lambda answer: answer["heads"][0]["cls"]}, run=lambda m, x: m(x)["heads"][0]["cls"],
         layer="body.a", rectified=True),
    Case("namedtuple", "logits have their name", lambda: ending(lambda y: Both(y[:, :2], y)), RGB,
         run=lambda m, x: m(x).logits, layer="body.a", rectified=True),
    Case("namedtuple-in-order", "logits come first", lambda: ending(lambda y: Plain(y, y[:, :2])), RGB,
         run=lambda m, x: m(x).scores, layer="body.a", rectified=True),
    Case("dataclass", "logits are an attribute", lambda: ending(lambda y: Answer(None, y)), RGB,
         run=lambda m, x: m(x).logits, layer="body.a", rectified=True),
    Case("model-output", "as transformers answer", lambda: ending(lambda y: ModelOutput(loss=y.sum(), logits=y)), RGB,
         run=lambda m, x: m(x).logits, layer="body.a", rectified=True),
    Case("detector", "a box's score, by a function", lambda: Net(detected, body=plainest()),
         RGB | {"output": of_boxes, "head": "probabilities"}, run=lambda m, x: of_boxes(m(x)), head="probabilities",
         layer="body.a", may=("visualize", "pgd")),
    Case("detector-as-it-is", "a list of dicts, one for each picture", lambda: Net(detected, body=plainest()), RGB,
         may=("*",), head="unknown", layer="body.a"),
    Case("twenty-thousand-classes", "many", lambda: plainest(outputs=20_000), RGB, rectified=True),
    Case("one-class", "softmax of one class is 1", lambda: plainest(**ONE), RGB | {"head": "softmax"}, rectified=True,
         target=0),
    Case("labelled", "labels have names", plainest, RGB | {"labels": ["a", "b", "c", "d", "e"]}, rectified=True),
    Case("huge", "logits of 1e30", lambda: ending(lambda y: 1e30 * y), RGB, layer="body.a", may=("pgd",)),
    Case("tiny", "logits of 1e-30", lambda: ending(lambda y: 1e-30 * y), RGB, layer="body.a", may=("pgd", "lrp")),
    Case("not-a-number-on-flat-pictures", "divides by the picture's deviation", lambda: Net(
        standardized, body=plainest()), RGB, layer="body.a", may=("visualize",)),
    Case("not-a-number", "0 / 0", lambda: ending(lambda y: y * torch.nan), RGB, layer="body.a",
         refused=dict.fromkeys(set(RECIPES) - {"visualize", "invert"}, "not finite")),
    Case("closed", "a rectifier lets nothing through", saturated, RGB, may=("pgd", "invert", "lrp", "grad_cam")),
    Case("constant", "does not look at the picture", lambda: Net(
        lambda m, x: m.fc(mean(0 * m.a(x))), a=conv(), fc=linear()), RGB, may=GRADIENTS),
    Case("without-the-picture", "returns a parameter", lambda: Net(
        lambda m, x: m.bias.expand(len(x), -1), bias=nn.Parameter(torch.arange(5.0))), RGB, layer=None,
        refused=dict.fromkeys(["gradient", "guided", "integrated", "lrp", "visualize", "pgd"], "gradient|depend|none"),
         may=("*",)),
    Case("classes-first", "(classes, n)", lambda: ending(lambda y: y.T), RGB, layer="body.a", run=lambda m, x: m(x).T,
         rectified=True),
    Case("a-single-number", "a loss for the whole batch", lambda: ending(lambda y: y.square().mean()), RGB,
         layer="body.a", head="unknown", may=("*",)),
    Case("nothing", "returns None", lambda: ending(lambda y: None), RGB, layer="body.a", refused=NO_NUMBER),
    Case("words", "returns words", lambda: ending(lambda y: ["cat"] * len(y)), RGB, layer="body.a", refused=NO_NUMBER),
    Case("numpy", "returns an array", lambda: ending(lambda y: y.detach().numpy()), RGB, layer="body.a",
         run=lambda m, x: torch.from_numpy(m(x)), may=("predict", "occlusion"),
         refused=dict.fromkeys(set(GRADIENTS) - {"visualize", "invert"}, "tensor|gradient|output")),
    Case("complex", "returns complex numbers", lambda: ending(lambda y: torch.complex(y, -y)), RGB, layer="body.a",
         may=("*",), head="unknown"),
    Case("the-class", "returns the class alone, a whole number", lambda: ending(lambda y: y.argmax(1)), RGB,
         layer="body.a", head="unknown", may=("*",)),
    Case("a-missing-part", "output names what is not there", lambda: ending(lambda y: {"logits": y}),
         RGB | {"output": "scores"}, layer="body.a", refused={"*": "scores"}),
]  # fmt: skip
