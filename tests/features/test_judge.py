"""What another network sees in a picture: classes by name, whole pictures, 8 bits."""

import pytest
import torch

from phosphene.core.pictures.fitting import fit
from phosphene.core.units.inputs import logits
from phosphene.features.judge import shown_to, verdicts, words
from tests.small import LABELS, convnet, noise


def test_a_judge_sees_the_whole_picture_at_its_own_size_in_eight_bits():
    judge, pictures = convnet(size=16), noise(3, 3, 24, 24)
    fed = fit((pictures.float() * 255).round() / 255, (16, 16), "squash").double()
    torch.testing.assert_close(shown_to(judge, pictures, batch=2), logits(judge, fed))


def test_verdicts_count_what_is_right_and_leave_out_what_cannot_be():
    network, judge, pictures = convnet(), convnet(labels=[*LABELS[:3], "unknown"]), noise(4, 3, 16, 16).float()
    said = shown_to(judge, pictures).argmax(1).tolist()
    found = verdicts(judge, network, pictures, [0, 1, None, 3])
    assert [one["right"] for one in found] == [said[0] == 0, said[1] == 1, None, None]
    assert [one["top"][0]["class"] for one in found] == said
    assert words(found) == f"Sequential names {(said[0] == 0) + (said[1] == 1)} of 2 rightly"
    assert words(found[2:]) == "Sequential has none of these classes"


@pytest.mark.slow
def test_the_command_prints_and_keeps_what_the_judge_sees(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--size", 16, "--steps", 1, "--judge", "embedded:photo-robust", "--json"]
    code, out, err = run("visualize", "logits:goldfish", *options)
    assert code == 0
    assert "embedded:photo-robust names " in err
    assert '"judged"' in out


def test_a_unit_that_is_no_class_is_seen_but_not_judged():
    found = verdicts(convnet(), convnet(), noise(1, 3, 16, 16).float(), [None])
    assert found[0]["right"] is None
    assert found[0]["top"][0]["p"] == pytest.approx(
        shown_to(convnet(), noise(1, 3, 16, 16)).softmax(1).max().item(), rel=1e-4
    )
