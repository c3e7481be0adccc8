"""A recording played on regions gives what the model gives."""

import pytest
import torch
from torch import nn

from phosphene.attribution.incremental.playback import Playback, clean_rows
from phosphene.attribution.incremental.regions import Regions
from phosphene.attribution.incremental.rules import region_rules
from tests.core.networks.models import Around, conv, mean, of
from tests.small import noise

SIZE = (14, 12)
WINDOW = (3, 4)
CORNERS = [(0, 0), (11, 8), (5, 2)]


def residual(m, x):
    y = m.pool(m.a(x)).relu_()
    y = y + m.b(y)
    y += 0.1
    return m.head(mean(y))


def network():
    torch.manual_seed(0)
    return of(Around(residual, a=conv(), pool=nn.MaxPool2d(3, 2, 1), b=conv(4), head=nn.Linear(4, 3)), size=SIZE)


@pytest.mark.parametrize("cut", [0, 1, 3, None])
def test_wherever_it_goes_on_in_full_the_numbers_are_the_models(cut):
    net = network()
    layers = ["a", "pool", "relu", "add", "logits"]
    recording = net.recording(SIZE, layers)
    rules = region_rules(recording)
    cut = len(rules) if cut is None else cut
    until = [*rules[:cut], *[None] * (len(rules) - cut)]
    picture, shown = noise(1, 3, *SIZE), noise(len(CORNERS), 3, *WINDOW, seed=1)
    start = torch.tensor(CORNERS).T
    windows = Regions(start, start + torch.tensor(WINDOW)[:, None], WINDOW, start)
    clean = clean_rows(recording, until, picture)
    played = Playback(recording, until, clean, windows, shown).run()
    occluded = picture.repeat(len(CORNERS), 1, 1, 1)
    for one, (row, column), part in zip(occluded, CORNERS, shown, strict=True):
        one[:, row : row + WINDOW[0], column : column + WINDOW[1]] = part
    for name, expected in net.read(occluded, layers).items():
        torch.testing.assert_close(played[net.layers[name].tap], expected, rtol=1e-12, atol=1e-12)


def test_clean_rows_are_kept_of_what_is_cropped_or_pasted_into_alone():
    """Not of what works position by position on one input, which is never cropped."""
    net = network()
    recording = net.recording(SIZE, ["logits"])
    rules = region_rules(recording)
    clean = clean_rows(recording, rules, noise(1, 3, *SIZE))
    operations = {node: call.operation for call in recording.calls for node in call.outputs[:1]}
    read_by = {node: [c.operation for c in recording.calls if node in c.inputs] for node in operations}
    assert 0 in clean
    assert not any(read_by[node] == ["relu"] for node in clean if node)
