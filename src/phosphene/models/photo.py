"""The architecture of the embedded photo networks: a small Inception, fully convolutional up to its last mean.

Parallel 1x1, 3x3, 5x5 and pooling branches (Szegedy et al. 2015, arXiv:1409.4842), batch normalization while it
is trained (Ioffe & Szegedy 2015, arXiv:1502.03167) and folded into the convolutions afterwards, so that what is
shipped is convolution, ReLU, max pooling and concatenation alone. Layers are called as Inception's are.
"""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

Model = TypeVar("Model", bound=nn.Module)


class ConvRelu(nn.Module):
    """Convolution, batch normalization (only while training), ReLU."""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int = 1, *, norm: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=not norm)
        self.norm = nn.BatchNorm2d(cout) if norm else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return F.relu(x if self.norm is None else self.norm(x))


def folded(model: Model) -> Model:
    """A copy that is the same function without batch normalization, in eval mode."""
    model = copy.deepcopy(model).eval()
    for module in model.modules():
        if isinstance(module, ConvRelu) and module.norm is not None:
            module.conv, module.norm = fuse_conv_bn_eval(module.conv, module.norm), None
    return model


class Mixed(nn.Module):
    """Four branches side by side: 1x1, 3x3, 5x5 and pooling, concatenated in this order."""

    def __init__(self, cin: int, c1: int, r3: int, c3: int, r5: int, c5: int, cp: int, *, norm: bool) -> None:
        super().__init__()
        self.conv1x1 = ConvRelu(cin, c1, 1, norm=norm)
        self.reduce3x3 = ConvRelu(cin, r3, 1, norm=norm)
        self.conv3x3 = ConvRelu(r3, c3, 3, norm=norm)
        self.reduce5x5 = ConvRelu(cin, r5, 1, norm=norm)
        self.conv5x5 = ConvRelu(r5, c5, 5, norm=norm)
        self.pool = ConvRelu(cin, cp, 1, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        a = self.conv1x1(x)
        b = self.conv3x3(self.reduce3x3(x))
        c = self.conv5x5(self.reduce5x5(x))
        d = self.pool(F.max_pool2d(x, 3, 1, 1))
        return torch.cat([a, b, c, d], 1)


class Photo(nn.Module):
    """(n, 3, h, w) normalized pictures of at least 32 px, trained at 64, to (n, classes) logits.

    Args:
        classes: the number of logits.
        norm: with batch normalization, as it is trained; without, as it is shipped.
    """

    def __init__(self, classes: int = 100, *, norm: bool = False) -> None:
        super().__init__()
        self.conv1 = ConvRelu(3, 32, 5, 2, norm=norm)
        self.conv2 = ConvRelu(32, 64, 3, norm=norm)
        self.mixed3a = Mixed(64, 40, 32, 64, 12, 24, 24, norm=norm)
        self.mixed3b = Mixed(152, 64, 56, 112, 20, 48, 32, norm=norm)
        self.mixed4a = Mixed(256, 96, 72, 160, 24, 64, 48, norm=norm)
        self.mixed4b = Mixed(368, 128, 96, 208, 32, 80, 64, norm=norm)
        self.mixed5a = Mixed(480, 176, 112, 256, 40, 96, 80, norm=norm)
        self.mixed5b = Mixed(608, 224, 128, 320, 48, 112, 112, norm=norm)
        self.classifier = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(self.conv1(x))
        x = F.max_pool2d(x, 3, 2, 1)
        x = self.mixed3b(self.mixed3a(x))
        x = F.max_pool2d(x, 3, 2, 1)
        x = self.mixed4b(self.mixed4a(x))
        x = F.max_pool2d(x, 3, 2, 1)
        x = self.mixed5b(self.mixed5a(x))
        return self.classifier(x.mean((2, 3)))


@torch.no_grad()
def unfolded(model: nn.Module, trained: Model, x: Tensor) -> Model:
    """The same function with batch normalization, whose statistics are those of the pictures `x`, normalized ones.

    Each filter gets the norm that PyTorch's initialization would give it: what a learning rate means depends on it.

    Args:
        trained: the same architecture, with batch normalization; what the model knows is put into it.
    """
    trained.get_submodule("classifier").load_state_dict(model.get_submodule("classifier").state_dict())
    outputs: dict[str, Tensor] = {}
    pairs = {n: (m, trained.get_submodule(n)) for n, m in model.named_modules() if isinstance(m, ConvRelu)}
    hooks = [
        m.conv.register_forward_hook(lambda _, __, y, name=n: outputs.update({name: y})) for n, (m, _) in pairs.items()
    ]
    model.eval()(x)
    for hook in hooks:
        hook.remove()
    for name, (old, new) in pairs.items():
        variance, mean = torch.var_mean(outputs[name], (0, 2, 3))
        scale = 3**-0.5 / old.conv.weight.flatten(1).norm(dim=1).clamp_min(1e-6)
        assert isinstance(new, ConvRelu) and new.norm is not None and old.conv.bias is not None
        new.conv.weight.copy_(old.conv.weight * scale.view(-1, 1, 1, 1))
        new.norm.get_buffer("running_mean").copy_((mean - old.conv.bias) * scale)
        new.norm.get_buffer("running_var").copy_(variance * scale**2)
        new.norm.weight.copy_((variance + new.norm.eps / scale**2).sqrt())
        new.norm.bias.copy_(mean)
    return trained
