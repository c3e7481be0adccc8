"""All checks together, through the recipes: numbers, plots, sentences, and what is left after an interruption."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from phosphene.attribution import gradient, guided, input_x_gradient, integrated
from phosphene.attribution.checks import Checks, checks
from phosphene.attribution.checks.curves import edges
from phosphene.attribution.explanation import explains
from phosphene.attribution.maps import Growing, Maps
from phosphene.attribution.question import question
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from tests.small import SOURCE, convnet, levels

PHOTO = levels(3, 16, 16)
ONE = torch.ones(1, 3, 16, 16)


def told(result, index=0):
    return result.numbers[index]["checks"]


def test_without_check_nothing_is_checked():
    result = gradient(convnet(), [PHOTO], target=2)
    assert "checks" not in result.numbers[0] and len(result.panels[0]) == 2


@pytest.mark.slow
def test_every_check_is_told_in_numbers_that_json_can_hold():
    numbers = told(integrated(convnet(), [PHOTO], target=2, check=True, steps=8).result)
    assert set(json.loads(json.dumps(numbers))) == {
        "randomization", "deletion", "insertion", "shift", "completeness gap", "skipped", "verdicts"
    }  # fmt: skip
    assert [row["layers"] for row in numbers["randomization"]["cascading"]] == [["fc"], ["conv3"], ["conv2"], ["conv1"]]
    assert len(numbers["deletion"]["curve"]) == 33 and set(numbers["deletion"]["area"]) == {"own", "edges", "random"}
    # this small network says the same class of every photograph
    assert "does not tell four photographs apart" in numbers["skipped"]["pointing"]
    assert len(numbers["verdicts"]) == 5


@pytest.mark.slow
def test_completeness_is_the_gap_between_sum_and_change():
    result = integrated(convnet(), [PHOTO], target=2, check=True, steps=8).result
    facts = result.numbers[0]
    expected = abs(facts["sum"] - facts["change"]) / abs(facts["change"])
    assert told(result)["completeness gap"] == pytest.approx(expected)
    assert any("adds up" in caption for caption, _ in result.panels[0])
    promised = input_x_gradient(convnet(), [PHOTO], target=2, check=True).result  # which promises nothing
    assert "completeness gap" not in told(promised)


@pytest.mark.slow
def test_the_figure_has_plots_with_sentences_and_the_title_says_the_first():
    result = guided(convnet(), [PHOTO], target=2, check=True).result
    captions = [caption for caption, _ in result.panels[0]]
    assert captions[-2].startswith("deletion: ") and captions[-1].startswith("insertion: ")
    assert captions[-3] in result.title and "randomized" in captions[-3]
    assert any("not changed by a constant shift" in caption for caption in captions)
    assert all(picture.shape[:2] == (1, 3) for _, picture in result.panels[0])
    assert result.figure().width > 1000


def test_a_map_that_is_the_edge_detector_is_said_to_show_the_image():
    @explains("where it changes", "sensitivity", "grey")
    def sobel(asked, pictures) -> Maps:
        return Maps(edges(pictures))

    result = sobel(convnet(), [PHOTO], target=2, check=True).result
    assert "unchanged when all 4 layers are randomized (SSIM 1.00): shows the image, not the network" in result.title
    area = told(result)["insertion"]["area"]
    assert area["own"] == area["edges"]
    assert "no more than edges" in " ".join(told(result)["verdicts"])


@pytest.mark.slow
def test_the_users_model_is_given_back_bit_by_bit():
    network = convnet()
    network.model.train()
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    _ = guided(network, [PHOTO], target=2, check=True).result
    for name, value in network.model.state_dict().items():
        assert torch.equal(value, before[name])
    assert network.model.training and network.mean == (0.5,) * 3
    assert all(p.requires_grad and p.grad is None for p in network.model.parameters())
    assert not any(m._forward_hooks for m in network.model.modules())


@pytest.mark.slow
def test_an_interruption_keeps_what_was_done():
    run = guided(convnet(), [PHOTO], target=2, check=True)
    steps = iter(run)
    next(steps)
    assert "checks" not in run.so_far().numbers[0]
    next(steps)
    assert set(told(run.so_far())) == {"shift", "verdicts"}
    while "randomization" not in told(run.so_far()):
        next(steps)
    part = told(run.so_far())["randomization"]
    assert len(part["cascading"]) == 1 and part["alone"] == []
    assert "randomized" in run.so_far().title
    assert run.so_far().figure().width > 1000
    run.stop()
    assert told(run.result)["randomization"] == part


@pytest.mark.slow
@pytest.mark.parametrize("method", [guided, integrated])
def test_progress_grows_to_its_end(method):
    run = method(convnet(), [PHOTO], target=2, check=True)
    indices = [step.index for step in run]
    assert indices == sorted(indices) and indices[-1] == run.total and indices[0] < run.total


@pytest.mark.slow
def test_each_picture_of_a_batch_is_checked_as_if_it_were_alone():
    photos = [levels(3, 16, 16, seed=seed) for seed in (1, 2)]
    both = gradient(convnet(), photos, target=2, check=True).result
    for i, photo in enumerate(photos):
        alone = told(gradient(convnet(), [photo], target=2, check=True).result)
        mine = told(both, i)
        assert mine["shift"] < 1e-4 and alone["shift"] < 1e-4  # rounding
        for way in ("cascading", "alone"):
            for a, b in zip(mine["randomization"][way], alone["randomization"][way], strict=True):
                assert a.pop("layers") == b.pop("layers")
                assert a == pytest.approx(b, abs=2e-4)
        for which in ("deletion", "insertion"):
            assert mine[which]["curve"] == pytest.approx(alone[which]["curve"], abs=2e-4)
            assert mine[which]["area"] == pytest.approx(alone[which]["area"], abs=2e-4)
        assert mine["verdicts"] == alone["verdicts"]


def test_checks_of_a_unit_say_unit():
    result = gradient(convnet(), [PHOTO], unit="conv2:1", check=True).result
    assert told(result)["randomization"]["layers"] == 2
    assert result.title.endswith("shows what was learnt about the unit")


@pytest.mark.slow
def test_a_check_that_cannot_be_done_says_why_and_the_others_go_on():
    def method(asked, pictures):
        if asked.network.mean[0] != 0.5:
            raise Mistake("this network is not mine")
        return asked.gradients(pictures, torch.arange(len(pictures)))[1]

    asked = question(convnet(), PHOTO[None], target=2)
    total, run = checks(method, gradient.about, asked, PHOTO[None], {})
    *_, (done, found) = run(Maps(method(asked, PHOTO[None])))
    assert done == total
    assert found.skipped["shift"] == "this network is not mine" and found.shift is None
    assert found.randomization is not None and found.compared is not None


def test_a_network_without_weights_is_not_randomized():
    network = Network(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), size=16)
    result = gradient(network, [PHOTO], target=1, check=True).result
    assert "no weights" in told(result)["skipped"]["randomization"]
    assert "deletion" in told(result)


@pytest.mark.slow
def test_methods_that_take_their_time_are_randomized_at_fewer_depths():
    class Deep(nn.Sequential):
        def __init__(self):
            torch.manual_seed(0)
            super().__init__(*(nn.Conv2d(3, 3, 1) for _ in range(9)), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    quick = gradient(Network(Deep(), size=16), [PHOTO], target=1, check=True).result
    slow = integrated(Network(Deep(), size=16), [PHOTO], target=1, check=True, steps=2).result
    assert [len(told(one)["randomization"]["cascading"]) for one in (quick, slow)] == [7, 4]


def test_what_is_not_about_a_class_is_not_asked_to_point_at_one():
    @explains("where it is bright", "sensitivity", "grey", asks=False)
    def bright(asked, pictures) -> Growing:
        return Growing(2, iter([(1, Maps(pictures[:, 0])), (2, Maps(pictures[:, 1]))]))

    result = bright(convnet(), [PHOTO], check=True).result
    assert "pointing" not in told(result) and "skipped" not in told(result)


def test_nothing_is_said_before_anything_is_found():
    assert Checks().headline == "" and Checks().remarks(0) == [] and Checks().numbers(0) == {}
    assert Checks().panels(0, gradient.about) == []


@pytest.mark.slow
def test_the_command_checks(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(SOURCE)
    code, out, err = run(
        "attribute", "skimage:chelsea", "--net", "own.py:build", "--method", "guided", "--check", "--out", "a.png"
    )
    assert code == 0, err
    assert "randomized" in out and "deletion: " in out
    record = json.loads(Path("a.json").read_text())
    assert "randomization" in json.dumps(record)
    code, out, err = run("replay", "a.png", "--net", "own.py:build", "--out", "b.png")
    assert code == 0, err
