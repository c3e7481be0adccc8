"""The loop of a training: what it counts and keeps, and that it goes on from anywhere as if nothing had been."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.optimization.training.loop import AnyCourse, AnyEpoch, Loop
from phosphene.core.optimization.training.pictures import Examples
from phosphene.core.optimization.training.steps import averaged_in, nesterov


@dataclass(frozen=True)
class Course(AnyCourse):
    sides: tuple[int, ...] = (4, 4, 4)


@dataclass(frozen=True)
class Ended(AnyEpoch):
    loss: float


class Lightness(Loop[Ended]):
    """Learns how light pictures are; whatever it measures is given."""

    heads = "epoch loss"

    def __init__(self, course=Course(), seed=0, measures=(3.0, 1.0, 2.0)):
        torch.manual_seed(0)
        pictures = torch.randint(0, 256, (16, 3, 4, 4), generator=torch.Generator().manual_seed(0)).byte()
        examples = Examples(pictures, torch.zeros(16).long())
        super().__init__(
            "lightness", nn.Linear(48, 1), examples, examples.part(torch.arange(2)), course, 5, seed, Ended
        )
        self.measures, self.seen = measures, []

    def _step(self, rows):
        self.seen.append(rows.tolist())
        x = self.examples.pictures[rows].flatten(1) / 255
        loss = (self.model(x)[:, 0] - x.mean(1)).square().mean()
        self._down(loss)
        nesterov(self._weights, self._moments[0], 0.01, 0.9, 0.0)
        averaged_in(self.average, self.model, 0.5)
        return loss.item(), float(len(rows))

    def _measured(self, number, means, seconds):
        assert means[1] == 5 and seconds > 0
        return Ended(number, self.measures[number - 1])

    def _better(self, ended, before):
        return ended.loss < before.loss

    def line(self, one):
        return f"{one.number} {one.loss}"

    @property
    def own_identity(self):
        return {"what": "lightness"}


def run(training, batches=None):
    for count, _ in enumerate(training, start=1):
        if count == batches:
            break
    return training


def test_an_epoch_is_whole_batches_of_pictures_none_of_which_comes_twice():
    training = run(Lightness())
    assert training.batches == 3 and training.total == training.taken == 9
    for first in (0, 3, 6):
        shown = [row for batch in training.seen[first : first + 3] for row in batch]
        assert len(set(shown)) == len(shown) == 15
    assert training.seen[:3] != training.seen[3:6], "each epoch has an order of its own"


def test_the_weights_that_were_better_are_kept():
    training, states = Lightness(), []
    for ended in training:
        if ended is not None:
            states.append({name: value.clone() for name, value in training.average.state_dict().items()})
    assert training.best[0] == 2 and training.best_epoch == Ended(2, 1.0)
    assert all(torch.equal(value, states[1][name]) for name, value in training.best[1].items())


@pytest.mark.parametrize("batches", [1, 3, 4, 7, 12])
def test_stopped_anywhere_it_ends_in_the_same_bytes(batches, tmp_path):
    """3 batches an epoch, and a measurement behind them."""
    (tmp_path / "checkpoint").write_bytes(run(Lightness(), batches).saved())
    again = Lightness()
    again.resume(tmp_path / "checkpoint")
    whole, again = run(Lightness()), run(again)
    assert again.epochs == whole.epochs and again.best[0] == whole.best[0]
    for one, other in ((again.model, whole.model), (again.average, whole.average)):
        assert torch.equal(one.weight, other.weight) and torch.equal(one.bias, other.bias)


def test_of_another_training_it_is_said_what_differs(tmp_path):
    file = tmp_path / "some.checkpoint"
    file.write_bytes(run(Lightness(), 1).saved())
    with pytest.raises(Mistake, match=r"another training: sides is 4 4 4 there, and 4 4 now; give --force"):
        Lightness(Course((4, 4))).resume(file)
    with pytest.raises(Mistake, match="another training: seed is 0 there, and 7 now"):
        Lightness(seed=7).resume(file)


def test_a_loss_that_is_not_finite_moves_nothing():
    training = Lightness()
    with torch.no_grad():
        training.model.bias.fill_(float("nan"))
    before = training.model.weight.clone()
    with pytest.raises(Mistake, match="the loss is not finite in epoch 1; a smaller rate may help"):
        run(training, 1)
    assert torch.equal(before, training.model.weight)
