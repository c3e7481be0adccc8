"""The architecture of the embedded digits network: three convolutions and two linear layers, for 28 x 28 px.

After LeNet-5 (LeCun et al. 1998, doi:10.1109/5.726791), with ReLU and max pooling, and batch normalization only while
it is trained. Its linear layers know where a stroke is, so it takes pictures of one size alone.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from phosphene.models.photo import ConvRelu


class Digits(nn.Module):
    """(n, 1, 28, 28) normalized pictures to (n, 10) logits.

    Args:
        norm: with batch normalization, as it is trained; without, as it is shipped.
    """

    def __init__(self, *, norm: bool = False) -> None:
        super().__init__()
        self.conv1 = ConvRelu(1, 16, 5, norm=norm)
        self.conv2 = ConvRelu(16, 32, 5, norm=norm)
        self.conv3 = ConvRelu(32, 64, 3, norm=norm)
        self.dense = nn.Linear(64 * 3 * 3, 64)
        self.classifier = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.conv1(x), 2)
        x = F.max_pool2d(self.conv2(x), 2)
        x = F.max_pool2d(self.conv3(x), 2)
        x = F.relu(self.dense(torch.flatten(x, 1)))
        return self.classifier(x)
