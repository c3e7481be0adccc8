import time

import torch

from phosphene.style.blocks import of_code
from phosphene.style.measures import Meter, fall, losses
from phosphene.style.terms import targets
from tests.small import convnet, noise


def test_each_loss_is_0_for_the_picture_that_it_is_of_and_pictures_are_measured_alone():
    network, photo, style = convnet(), noise(1, 3, 12, 16), noise(1, 3, 12, 16, seed=1)
    styles = targets(network, [style], ["relu1", "relu2"], {"gram": 1.0})
    content = of_code("relu3", network.read(photo, ["relu3"])["relu3"])
    first, second = losses(network, styles, content, torch.cat([photo, style]), "gradient")
    assert first["content"] == 0 and all(value > 1e-3 for value in first["style"].values())
    assert second["content"] > 1e-3 and all(value < 1e-12 for value in second["style"].values())
    assert list(first["style"]) == ["relu1", "relu2"]


def test_a_fall_is_of_the_sums_and_finite_where_nothing_is_left():
    assert fall({"a": 3.0, "b": 1.0}, {"a": 0.5, "b": 0.5}) == 4
    assert fall({"a": 1.0}, {"a": 0.0}) == 1e12


def test_a_meter_counts_seconds_and_memory():
    meter = Meter(torch.device("cpu"))
    time.sleep(0.02)
    numbers = meter.numbers()
    assert numbers["seconds"] >= 0.02 and numbers["peak memory"] > 0.01
