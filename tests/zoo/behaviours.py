"""What forward does beside computing: modes, noise, batches, gradients that end, memory, wrappers, faults."""

import concurrent.futures
import sys

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from tests.zoo.case import GRADIENTS, Case, Net, conv, ending, linear, mean, plainest
from tests.zoo.inputs import RGB

NO_GRADIENT = dict.fromkeys(GRADIENTS, "gradient")
"""What is right on a network that numbers pass and gradients do not."""


CUT_LATE = dict.fromkeys(set(GRADIENTS) - {"visualize", "invert"}, "gradient|depend")
"""The same where the way back ends behind the layer that is painted."""


def behind(what):
    """The plainest network with something between its logits' features and the picture."""
    return Net(lambda m, x: m.fc(mean(m.b(what(m, m.a(x))).relu())), a=conv(), b=conv(4), fc=linear())


def norms():
    return nn.Sequential(nn.ReLU(), conv(4), nn.BatchNorm2d(4), nn.ReLU(), conv(4))


def checkpointed(reentrant):
    return Net(lambda m, x: m.fc(mean(checkpoint(m.b, m.a(x), use_reentrant=reentrant))), a=conv(), b=norms(),
               fc=linear())  # fmt: skip


def uncheckpointed():
    return Net(lambda m, x: m.fc(mean(m.b(m.a(x)))), a=conv(), b=norms(), fc=linear())


class Recomputed(torch.autograd.Function):
    """Keeps the input alone, and runs the block again on the way back."""

    @staticmethod
    def forward(ctx, block, x):
        ctx.block = block
        ctx.save_for_backward(x)
        with torch.no_grad():
            return block(x)

    @staticmethod
    def backward(ctx, above):
        (x,) = ctx.saved_tensors
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            y = ctx.block(x)
        torch.autograd.backward(y, above)
        return None, x.grad


class Reversible(torch.autograd.Function):
    """y1 = x1 + f(x2), y2 = x2 + g(y1); the input is computed from the output on the way back."""

    @staticmethod
    def forward(ctx, f, g, x):
        ctx.f, ctx.g = f, g
        with torch.no_grad():
            x1, x2 = x.chunk(2, 1)
            y1 = x1 + f(x2)
            y2 = x2 + g(y1)
        y = torch.cat([y1, y2], 1)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, above):
        (y,) = ctx.saved_tensors
        (y1, y2), (d1, d2) = y.chunk(2, 1), above.chunk(2, 1)
        with torch.enable_grad():
            y1 = y1.detach().requires_grad_()
            g = ctx.g(y1)
            torch.autograd.backward(g, d2)
        d1 = d1 + y1.grad
        with torch.enable_grad():
            x2 = (y2 - g).detach().requires_grad_()
            torch.autograd.backward(ctx.f(x2), d1)
        return None, None, torch.cat([d1, d2 + x2.grad], 1)


def coupled():
    return {"a": conv(), "f": conv(2, 2), "g": nn.Sequential(conv(2, 2), nn.BatchNorm2d(2)), "fc": linear()}


def reversible():
    return Net(lambda m, x: m.fc(mean(Reversible.apply(m.f, m.g, m.a(x)))), **coupled())


def coupled_plainly():
    def run(m, x):
        x1, x2 = m.a(x).chunk(2, 1)
        y1 = x1 + m.f(x2)
        return m.fc(mean(torch.cat([y1, x2 + m.g(y1)], 1)))

    return Net(run, **coupled())


class Counting(nn.Module):
    """Keeps a count, a running maximum and its last features, in eval mode too."""

    def __init__(self):
        super().__init__()
        self.a, self.fc = conv(), linear()
        self.register_buffer("count", torch.zeros((), dtype=torch.long))
        self.register_buffer("largest", torch.zeros(()))
        self.register_buffer("cache", torch.zeros(1, 4), persistent=False)

    def forward(self, x):
        y = mean(self.a(x).relu())
        self.count += 1
        self.largest.copy_(torch.maximum(self.largest, y.detach().max()))
        self.cache = y.detach()[:1].clone()
        return self.fc(y)


class Remembering(nn.Module):
    """Keeps its features and a count as attributes, for whoever wants to look."""

    def __init__(self):
        super().__init__()
        self.a, self.fc = conv(), linear()
        self.features, self.calls, self.seen = None, 0, {}

    def forward(self, x):
        self.features = self.a(x).relu()
        self.calls += 1
        self.seen["size"] = tuple(x.shape[2:])
        return self.fc(mean(self.features))


class Hooked(nn.Module):
    """Keeps the gradient of its features, as people write for Grad-CAM."""

    def __init__(self):
        super().__init__()
        self.a, self.fc, self.gradients = conv(), linear(), None

    def keep(self, gradient):
        self.gradients = gradient

    def forward(self, x):
        y = self.a(x).relu()
        if y.requires_grad:
            y.register_hook(self.keep)
        return self.fc(mean(y))


class HookedAlways(Hooked):
    """The same without asking whether there is a gradient to come."""

    def forward(self, x):
        y = self.a(x).relu()
        y.register_hook(self.keep)
        return self.fc(mean(y))


class Modal(nn.Module):
    """Answers otherwise in train mode."""

    def __init__(self):
        super().__init__()
        self.body, self.aux = plainest(), linear(5, 2)

    def forward(self, x):
        y = self.body(x)
        return (y, self.aux(y)) if self.training else y


def hooked(register):
    """The plainest network with a hook of the user's."""
    model = plainest()
    register(model)
    return model


def fresh(model):
    """A model whose forward was replaced on the object."""
    own = model.forward
    model.forward = lambda x: own(x) * 2
    return model


def in_a_thread(m, x):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return m.fc(mean(pool.submit(m.a, x).result().relu()))


def by_table(m, x):
    for part in m.parts:
        x = m.acts["relu"](part(x))
    return m.fc(mean(x))


def catching(kinds):
    def run(m, x):
        try:
            return m.body(x)
        except kinds:
            return x.new_zeros(len(x), 5)

    return Net(run, body=plainest())


def without_gradient(m, x):
    with torch.no_grad():
        y = m.a(x)
    return m.fc(mean(y.relu()))


def in_inference_mode(m, x):
    with torch.inference_mode():
        y = m.a(x)
    return m.fc(mean(y.clone().relu()))


def globally(m, x):
    torch.set_grad_enabled(False)
    try:
        return m.body(x)
    finally:
        torch.set_grad_enabled(True)


def through_numpy(y):
    return torch.from_numpy(y.detach().cpu().numpy() * 2)


def straight(m, y):
    """Rounded, with the gradient of what was not."""
    return y + ((8 * y).round() / 8 - y).detach()


def one_at_a_time(m, x):
    return m.fc(mean(m.a(x).relu()).view(1, -1))


def among_the_batch(m, x):
    y = mean(m.a(x).relu())
    return m.fc(y + (y @ y.T).softmax(1) @ y)


def less_the_batch(m, x):
    y = mean(m.a(x).relu())
    return m.fc(y - y.mean(0, keepdim=True) + 0.1 * y)


def with_capacity(m, x):
    """Two experts, each for half of the batch at most."""
    y = mean(m.a(x).relu())
    order = m.gate(y)[:, 0].argsort()
    left = torch.zeros(len(y), dtype=torch.bool, device=y.device).index_fill(0, order[: (len(y) + 1) // 2], True)
    return torch.where(left[:, None], m.fc(y), m.other(y))


def early(m, x):
    """Leaves as soon as it is sure of the whole batch."""
    y = m.a(x).relu()
    first = m.fc(mean(y))
    return first if bool(x.mean() > 0.1) else m.other(mean(m.b(y).relu()))


def plus(y, block):
    y += block(y.relu())
    return y.relu()


def dynamic():
    return torch.ao.quantization.quantize_dynamic(plainest().eval(), {nn.Linear}, dtype=torch.qint8)


def mixed():
    model = Net(lambda m, x: m.fc(mean(m.a(x).relu()).double() * m.gain).float(), a=conv(), fc=linear().double())
    model.gain = nn.Parameter(torch.ones((), dtype=torch.float64))
    return model


def autocast(m, x):
    with torch.autocast("cpu", torch.bfloat16):
        return m.body(x)


def made_in_inference_mode():
    with torch.inference_mode():
        return plainest()


def exported():
    return torch.export.export(plainest().eval(), (torch.rand(2, 3, 24, 24),),
                               dynamic_shapes=({0: torch.export.Dim("n", min=1)},)).module()  # fmt: skip


def lazy():
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(5))


def leaving(m, x):
    sys.exit(3)


def failing(m, x):
    raise ValueError("the reason\nhas two\nmore lines")


def noisy(m, x):
    print("shape", tuple(x.shape))
    return m.body(x)


def seeding(m, x):
    torch.manual_seed(5)
    return m.body(x + 0.01 * torch.randn_like(x[:1]))


QUIET = {"training": False}
BODY = {"layer": "body.a", "rectified": True}
HALF = {"double": False, "may": ("lrp",), "near": 0.03}
SCRIPT = {"may": ("gradient", "integrated", "grad_cam", "lrp", "visualize", "invert", "pgd"), "layer": None,
          "refused": {"guided": "rectifier|TorchScript|exported"}, "double": False}  # fmt: skip

BEHAVIOURS = [
    Case("mode", "returns more in train mode", Modal, RGB, **BODY),
    Case("eval-already", "brought in eval mode", plainest, RGB, rectified=True, **QUIET),
    Case("frozen-already", "no parameter wants a gradient", lambda: plainest().requires_grad_(False), RGB,
         rectified=True),
    Case("dropout", "in train mode alone", lambda: behind(lambda m, y: F.dropout(y.relu(), 0.5, m.training)), RGB,
         rectified=True),
    Case("dropout-always", "answers otherwise every time", lambda: behind(lambda m, y: F.dropout(y.relu(), 0.5, True)),
         RGB, random=True),
    Case("noise-always", "adds noise in eval mode", lambda: Net(
        lambda m, x: m.body(x + 0.1 * torch.randn_like(x)), body=plainest()), RGB, random=True, layer="body.a"),
    Case("noise-of-one-seed", "seeds its own noise, and so everybody's", lambda: Net(seeding, body=plainest()), RGB,
         layer="body.a"),
    Case("attention-over-the-batch", "pictures look at one another", lambda: Net(
        among_the_batch, a=conv(), fc=linear()), RGB, alone=True, may=("lrp",)),
    Case("less-the-batch", "takes the batch's mean away", lambda: Net(less_the_batch, a=conv(), fc=linear()), RGB,
         alone=True),
    Case("capacity", "experts with room for half of the batch", lambda: Net(
        with_capacity, a=conv(), gate=linear(4, 1), fc=linear(), other=linear()), RGB, alone=True, may=("lrp",)),
    Case("early-exit", "leaves when the batch is bright", lambda: Net(
        early, a=conv(), b=conv(4), fc=linear(), other=linear()), {}, alone=True, may=("grad_cam",)),
    Case("one-at-a-time", "takes a batch of one", lambda: Net(one_at_a_time, a=conv(), fc=linear()), RGB, alone=True,
         rectified=True),
    Case("checkpoint", "runs its blocks again on the way back", lambda: checkpointed(False), RGB,
         plain=uncheckpointed, rectified=True),
    Case("checkpoint-reentrant", "the same by the old way", lambda: checkpointed(True), RGB, plain=uncheckpointed,
         rectified=True),
    Case("recomputed", "a function that runs its block again", lambda: Net(
        lambda m, x: m.fc(mean(Recomputed.apply(m.b, m.a(x)))), a=conv(), b=norms(), fc=linear()), RGB,
        plain=uncheckpointed, may=("guided", "lrp")),
    Case("reversible", "computes its input from its output", reversible, RGB, plain=coupled_plainly,
         may=("guided", "lrp")),
    Case("no-grad", "a part without gradients", lambda: Net(without_gradient, a=conv(), fc=linear()), RGB,
         refused=NO_GRADIENT),
    Case("no-grad-everywhere", "a decorated forward", lambda: Net(torch.no_grad()(lambda m, x: m.body(x)),
         body=plainest()), RGB, refused=NO_GRADIENT, layer="body.a"),
    Case("inference-mode", "a part in inference mode", lambda: Net(in_inference_mode, a=conv(), fc=linear()), RGB,
         refused=NO_GRADIENT),
    Case("grad-switched-off", "switches gradients off, and on again", lambda: Net(globally, body=plainest()), RGB,
         refused=NO_GRADIENT, layer="body.a"),
    Case("detached", "cut off", lambda: behind(lambda m, y: y.detach().relu()), RGB, refused=NO_GRADIENT, layer="b"),
    Case("through-numpy", "goes through an array", lambda: behind(lambda m, y: through_numpy(y).relu()), RGB,
         refused=NO_GRADIENT, layer="b"),
    Case("made-in-inference-mode", "its parameters are inference tensors", made_in_inference_mode, RGB, double=False,
         plain=plainest, may=GRADIENTS, **QUIET),
    Case("quantized", "linear layers in 8 bits", dynamic, RGB, refused=CUT_LATE, double=False, alone=True, near=0.03,
         **QUIET),
    Case("rounded", "whole numbers inside: the gradient is zero", lambda: behind(lambda m, y: (4 * y).round()), RGB,
         may=GRADIENTS),
    Case("binarized", "signs inside: the gradient is zero", lambda: behind(lambda m, y: y.sign()), RGB, may=GRADIENTS),
    Case("a-hard-choice", "the place of the maximum alone", lambda: Net(
        lambda m, x: m.fc(F.one_hot(mean(m.a(x)).argmax(1), 4).to(x.dtype)), a=conv(), fc=linear()), RGB,
        refused=CUT_LATE),
    Case("bytes-inside", "makes whole numbers of its input", lambda: Net(
        lambda m, x: m.body((255 * x).byte().to(x.dtype) / 255), body=plainest()), refused=NO_GRADIENT,
        layer="body.a"),
    Case("straight-through", "rounded, with a gradient", lambda: behind(straight), RGB, may=("lrp",)),
    Case("float16", "half precision", lambda: plainest().half(), RGB, **HALF),
    Case("bfloat16", "the other half precision", lambda: plainest().bfloat16(), RGB, **HALF),
    Case("mixed", "the first parameter is a float64", mixed, RGB, double=False, rectified=True),
    Case("autocast", "computes in less by itself", lambda: Net(autocast, body=plainest()), RGB, layer="body.a", **HALF),
    Case("counting", "buffers change in every pass", Counting, RGB),
    Case("remembering", "attributes change in every pass", Remembering, RGB),
    Case("keeping-gradients", "a hook on its features", Hooked, RGB),
    Case("keeping-gradients-always", "a hook that needs a gradient to come", HookedAlways, RGB, plain=Hooked,
         may=("*",)),
    Case("in-place", "sums and rectifiers in place", lambda: Net(
        lambda m, x: m.fc(mean(m.b(m.a(x).relu_()).add_(1).relu_())), a=conv(), b=conv(4), fc=linear()), RGB,
        rectified=True),
    Case("residual-in-place", "x += block(x)", lambda: Net(
        lambda m, x: m.fc(mean(plus(m.a(x), m.b))), a=conv(), b=conv(4), fc=linear()), RGB, rectified=True),
    Case("tables", "ModuleList and ModuleDict", lambda: Net(
        by_table, parts=nn.ModuleList([conv(), conv(4)]), acts=nn.ModuleDict({"relu": nn.ReLU()}), fc=linear()), RGB,
        layer="parts.0", rectified=True),
    Case("forward-hook", "the user's hook doubles", lambda: hooked(
        lambda m: m.a.register_forward_hook(lambda _, inputs, y: 2 * y)), RGB, rectified=True),
    Case("pre-hook", "the user's hook halves", lambda: hooked(
        lambda m: m.b.register_forward_pre_hook(lambda _, inputs: (inputs[0] / 2,))), RGB, rectified=True),
    Case("backward-hook", "the user's hook trebles the gradient", lambda: hooked(
        lambda m: m.b.register_full_backward_hook(lambda _, inputs, outputs: (3 * inputs[0],))), RGB, may=("lrp",)),
    Case("forward-replaced", "a forward on the object", lambda: fresh(plainest()), RGB, rectified=True),
    Case("compiled", "torch.compile", lambda: torch.compile(plainest(), backend="eager"), RGB, plain=plainest,
         rectified=True),
    Case("data-parallel", "wrapped", lambda: nn.DataParallel(plainest()), RGB, plain=plainest, rectified=True),
    Case("scripted", "TorchScript", lambda: torch.jit.script(nn.Sequential(
        conv(), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear())), RGB, **SCRIPT),
    Case("traced", "TorchScript by tracing", lambda: torch.jit.trace(plainest().eval(), torch.rand(1, 3, 24, 24)), RGB,
         **SCRIPT, **QUIET),
    Case("exported", "torch.export", exported, RGB, **SCRIPT, **QUIET),
    Case("lazy", "was never run", lazy, RGB, refused={"*": "run the model once"}, double=False),
    Case("meta", "has no weights", lambda: plainest().to("meta"), RGB, refused={"*": "on the device meta"},
         double=False),
    Case("without-parameters", "the mean colour is the answer", lambda: Net(lambda m, x: 5 * mean(x)), RGB,
         layer=None, may=("lrp",), double=False),
    Case("prints", "prints in forward", lambda: Net(noisy, body=plainest()), RGB, **BODY),
    Case("catches", "catches every Exception", lambda: catching(Exception), RGB, **BODY),
    Case("catches-everything", "catches every BaseException", lambda: catching(BaseException), RGB, **BODY),
    Case("a-thread", "runs a part in a thread", lambda: Net(in_a_thread, a=conv(), fc=linear()), RGB,
         may=("lrp", "guided", "grad_cam", "visualize", "invert")),
    Case("leaves", "sys.exit", lambda: Net(leaving, a=conv()), RGB, refused={"*": "exit|3"}),
    Case("fails", "an error of several lines", lambda: Net(failing, a=conv()), RGB, refused={"*": "reason"}),
    Case("is-a-function", "logits of a lambda inside of a Sequential", lambda: ending(lambda y: y), RGB, **BODY),
]  # fmt: skip
