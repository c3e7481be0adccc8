"""What a method finds, and how much each pixel matters by it."""

import torch

from phosphene.attribution.maps import Growing, Maps, found, pixels
from phosphene.attribution.question import question
from tests.attribution.asked import photos
from tests.small import convnet, normal


def test_of_a_sensitivity_the_largest_colour_counts_and_of_a_contribution_the_sum():
    values = torch.tensor([[[[0.5]], [[-2.0]], [[1.0]]]])
    assert pixels(values, "sensitivity").item() == 2.0
    assert pixels(values, "contribution").item() == -0.5


def test_one_number_for_each_pixel_stays_as_it_is():
    values = normal(2, 4, 5)
    assert torch.equal(pixels(values, "sensitivity"), values) and torch.equal(pixels(values, "contribution"), values)


def test_a_method_may_answer_at_once_with_facts_or_part_by_part():
    pictures, values = photos(1), normal(1, 4, 5)
    asked = question(convnet(), pictures)
    parts = [(1, Maps(values, [{"done": 1}])), (2, Maps(2 * values, [{"done": 2}]))]
    assert torch.equal(found(lambda question, pictures: values, asked, pictures).values, values)
    assert found(lambda question, pictures: parts[0][1], asked, pictures).facts == [{"done": 1}]
    assert found(lambda question, pictures: Growing(2, iter(parts)), asked, pictures).facts == [{"done": 2}]
