"""Boxes as numbers of one shape."""

import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.detections import CORNERS, MOST, as_logits, classes_of, is_detections, overlap
from phosphene.core.networks.network import Network
from tests.core.networks.models import pictures


class Detector(nn.Module):
    """Two boxes of class 1 and one of class 2, as probable as the picture is bright there; none in a dark one."""

    def __init__(self):
        super().__init__()
        self.num_classes = 4
        self.boxes = torch.tensor([[0.0, 0, 8, 8], [8, 8, 16, 16], [0, 8, 8, 16]])

    def forward(self, images):
        found = []
        for image in images:
            scores = torch.stack([image[:, y : y + 8, x : x + 8].mean() for x, y in ((0, 0), (8, 8), (0, 8))])
            keep = scores > 0.1
            found.append({"boxes": self.boxes[keep], "labels": torch.tensor([1, 1, 2])[keep], "scores": scores[keep]})
        return found


def test_a_box_is_a_column_with_its_score_in_the_row_of_its_class():
    x = pictures(16, 16)
    logits = as_logits(Detector()(x), 4)
    assert logits.shape == (1, 4 + CORNERS, MOST)
    torch.testing.assert_close(logits[0, 1, 0], x[0, :, :8, :8].mean())
    torch.testing.assert_close(logits[0, 2, 2], x[0, :, 8:, :8].mean())
    assert logits[0, :4].count_nonzero() == 3
    assert logits[0, -CORNERS:, 1].tolist() == [8, 8, 16, 16]


def test_a_class_of_a_detector_is_as_probable_as_its_best_box():
    network, x = Network(Detector(), size=16), pictures(16, 16, n=2)
    assert network.classes == 4 and network.head.boxes and network.independent
    p = network.head.scores(network.read(x, ["logits"])["logits"], "p")
    corner = [x[:, :, :8, :8].mean((1, 2, 3)), x[:, :, 8:, 8:].mean((1, 2, 3))]
    torch.testing.assert_close(p[:, 1], torch.maximum(*corner).to(p))
    (gradient,) = torch.autograd.grad(p[0, 2], x)
    assert gradient[0, :, 8:, :8].abs().min() > 0 and gradient[0, :, :8].abs().max() == 0
    assert not network.head.scores(network.read(torch.zeros(1, 3, 16, 16), ["logits"])["logits"], "p").any()


def test_how_many_classes_there_are_is_told_by_labels_or_by_parts():
    assert classes_of(Detector(), None) == 4 and classes_of(Detector(), 9) == 9
    with pytest.raises(Mistake, match="finds boxes, and it can't be told of how many classes; give labels"):
        classes_of(nn.Linear(1, 1), None)
    with pytest.raises(Mistake, match="a box of class 2, and only 2 classes"):
        as_logits(Detector()(pictures(16, 16)), 2)


def test_boxes_overlap_by_intersection_over_union():
    corners = torch.tensor([[[0.0, 4, 0], [0, 4, 0], [8, 8, 0], [8, 8, 0]]])
    torch.testing.assert_close(overlap(corners, torch.tensor([[0.0, 0, 8, 4]])), torch.tensor([[0.5, 0, 0]]))


def test_what_detectors_return_is_told_from_other_lists():
    assert is_detections(Detector()(pictures(16, 16)))
    assert not is_detections([{"boxes": 1}]) and not is_detections([]) and not is_detections(torch.ones(1))
