"""The training of the embedded photo networks: what is particular to it, on few pictures."""

import pytest
import torch

from phosphene.adversarial.training import Course
from phosphene.core.optimization.training.pictures import Examples
from training import photo


@pytest.mark.slow
def test_it_is_trained_in_two_cycles_and_goes_on_after_the_last_epoch(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(photo, "CACHE", tmp_path)
    one = Course((32,), 0.0, 0.1, crops=(60, 64), pad=2, batch=4)
    monkeypatch.setattr(photo, "courses", lambda *_: (one, one))
    pictures = torch.randint(0, 256, (20, 3, 64, 64), generator=torch.Generator().manual_seed(0)).byte()
    data = Examples(pictures, torch.arange(20) % 5)
    first = photo.trained("photo", data, data, "float32").state_dict()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["photo-0.checkpoint", "photo-1.checkpoint"]
    assert capsys.readouterr().out.count("Epoch(number=1") == 2
    again = photo.trained("photo", data, data, "float32").state_dict()
    assert capsys.readouterr().out == ""
    assert all(torch.equal(value, again[name]) for name, value in first.items())
