"""The commands: their files, their records, and what is in them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import phosphene
from phosphene import catalogue
from phosphene.core.pictures.files import open_photo, read_text
from tests.faces.commands import COMMANDS_AND_FILES, ENDS, files, is_one_sentence, last


@pytest.fixture
def run(small):
    return small


@pytest.mark.parametrize(("words", "stem", "ends"), COMMANDS_AND_FILES)
def test_without_out_the_files_are_named_after_command_input_and_unit(words, stem, ends, run):
    code, out, err = run(*words)
    assert code == 0, err
    assert files() == sorted(stem + end for end in ends)
    assert last(out) == Path(stem + ".png")


@pytest.mark.parametrize(
    ("words", "stem", "ends"),
    [pytest.param(*line, marks=[pytest.mark.slow] if at % 4 else []) for at, line in enumerate(COMMANDS_AND_FILES)],
)
def test_nothing_is_overwritten_and_force_does(words, stem, ends, run, monkeypatch):
    for end in ends:
        Path(stem + end).write_text("precious")
        said = is_one_sentence(*run(*words))
        assert said == f"{stem}{end} is there already; give --force to overwrite it, or another --out"
        Path(stem + end).unlink()
        assert files() == []
    Path(stem + ".png").write_text("old")
    assert run(*words, "--force")[0] == 0
    assert open_photo(stem + ".png").shape[1] == 3


def test_out_names_the_files_and_makes_the_folder(run):
    code, out, _ = run("attack", "cat.png", "--out", "a b/ünï/fooled.png")
    assert code == 0
    assert last(out) == Path("a b/ünï/fooled.png")
    assert files("a b/ünï") == sorted(f"fooled{end}" for end in [*ENDS, ".npy"])


def test_several_units_are_a_folder(run):
    code, out, _ = run("visualize", "conv2:0-1", "logits:tabby cat", "--steps", 1, "--size", 16, "--out", "units")
    assert code == 0
    assert last(out) == Path("units")
    stems = ["conv2-0", "conv2-1", "logits-0"]
    assert files("units") == sorted(stem + end for stem in stems for end in ENDS[:3])
    said = is_one_sentence(*run("visualize", "conv2:0-1", "--out", "one.png"))
    assert said == "one.png is one picture, but 2 are made; give a folder"


@pytest.mark.slow
def test_values_have_no_batch_axis_and_are_what_they_should_be(run):
    run("attribute", "cat.png", "--method", "gradient", "--target", "zebra", "--out", "g.png")
    run("attribute", "cat.png", "--method", "saliency", "--target", 1, "--out", "s.png")
    run("attack", "cat.png", "--eps", "8/255", "--out", "a.png")
    gradient, saliency, change = np.load("g.npy"), np.load("s.npy"), np.load("a.npy")
    assert gradient.shape == change.shape == (3, 16, 16)
    assert saliency.shape == (16, 16)
    np.testing.assert_allclose(saliency, abs(gradient).max(0), rtol=1e-6)
    apart = (open_photo("a.png") - open_photo("a.input.png"))[0].numpy()
    np.testing.assert_allclose(change, apart, atol=1e-6)
    assert round(255 * abs(apart).max()) == 8


def test_what_was_fed_is_saved_to_the_bit(run):
    run("predict", "cat.png", "--out", "p.png")
    fed = phosphene.predict(phosphene.load("own.py"), "cat.png").input
    assert torch.equal(open_photo("p.input.png"), fed)
    assert torch.equal(open_photo("p.png"), fed)


@pytest.mark.slow
@pytest.mark.parametrize("words", [words for words, *_ in COMMANDS_AND_FILES])
def test_every_picture_carries_its_recipe_and_the_json_has_all_fields(words, run):
    run(*words, "--out", "x.png")
    record = json.loads(Path("x.json").read_text())
    fields = ["format", "recipe", "arguments", "network", "inputs", "outputs", "numbers", "plan", "seed", "versions"]
    assert set(fields) <= set(record)
    method = words[words.index("--method") + 1] if "--method" in words else ""
    assert record["recipe"] == catalogue.method(words[0], method).name
    assert record["network"]["spec"] == "own.py"
    assert record["network"]["sha256"] == phosphene.load("own.py").sha256
    assert record["versions"]["torch"] == torch.__version__
    assert set(record["outputs"]) == set(files())
    assert [photo["name"] for photo in record["inputs"]] == (["cat.png"] if "cat.png" in words else [])
    if "--steps" in words:
        assert record["arguments"]["steps"] == words[words.index("--steps") + 1]
    assert str(Path.cwd()) not in Path("x.json").read_text()
    carried = json.loads(read_text("x.png")["phosphene"])
    assert carried.pop("part") == ["picture", 0]
    assert len(carried.pop("seal")) == 64
    assert carried == {key: value for key, value in record.items() if key not in ("outputs", "numbers")}


def test_networks_and_layers_are_listed(run):
    code, out, _ = run("networks", net=None)
    assert code == 0
    assert "embedded:photo" in out
    assert json.loads(run("networks", "--json", net=None)[1])["embedded:photo"] is not None
    code, out, _ = run("layers")
    assert code == 0
    assert re.search(r"conv2 +Conv2d +8 x 8 x 8", out)
    layers = {layer["name"]: layer for layer in json.loads(run("layers", "--json")[1])}
    assert layers["conv2"]["shape"] == [8, 8, 8]
    assert layers["logits"]["channels"] == 4


@pytest.mark.parametrize(
    ("target", "index"), [("1", 1), ("ZEBRA", 1), ("mouser", 0), ("crane, lifting machine", 3), ("wading bird", 2)]
)
def test_a_class_is_an_index_a_name_or_a_synonym(target, index, run):
    _, out, err = run("attribute", "cat.png", "--target", target, "--json")
    assert json.loads(out)["numbers"]["target"] == f"logits:{index}", err


def test_the_same_seed_makes_the_same_bytes(run):
    for name in ("a", "b"):
        run("visualize", "conv2:0", "--steps", 3, "--seed", 7, "--out", f"{name}.png")
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


@pytest.mark.slow
def test_bfloat16_and_float64_work_for_every_command(run):
    for precision in ("bfloat16", "float64"):
        for number, (words, *_) in enumerate(COMMANDS_AND_FILES):
            code, _, err = run(*words, "--precision", precision, "--out", f"{precision}-{number}.png")
            assert code == 0, (words, precision, err)
            if "cat.png" in words:
                fed = open_photo(f"{precision}-{number}.input.png")
                torch.testing.assert_close(fed, fed_by(words, precision), rtol=0, atol=0)


def fed_by(words, precision):
    """What the network gets: the photograph at its size (a dream: at its own)."""
    network = phosphene.load("own.py", precision=precision)
    return open_photo("cat.png") if words[0] == "dream" else phosphene.predict(network, "cat.png").input


@pytest.mark.slow
def test_an_elephant_becomes_a_tiger_shark_within_8_levels(data, shared_module, run):
    words = ["attack", data / "images" / "elephant.jpg", "--target", "tiger shark", "--out", "shark.png"]
    code, out, err = run(*words, net=f"{data}/models/inception5h.py:build")
    assert code == 0, err
    assert last(out) == Path("shark.png")
    shark, elephant = (np.asarray(Image.open(name), dtype=np.int64) for name in ("shark.png", "shark.input.png"))
    assert shark.shape == elephant.shape == (224, 224, 3)
    assert abs(shark - elephant).max() <= 8
    module = shared_module("inception5h")  # run again, by hand
    model = module.build()
    with torch.no_grad():
        said = [
            model(torch.from_numpy(x).permute(2, 0, 1)[None].float() - 117).softmax(1)[0] for x in (shark, elephant)
        ]
    target = next(i for i, label in enumerate(module.SPEC["labels"]) if "tiger shark" in label)
    assert said[0][target] > 0.99
    assert said[1][target] < 0.01
    assert "tusker" in module.SPEC["labels"][int(said[1].argmax())]


@pytest.mark.slow
def test_a_unit_and_a_dream_of_inception(data, run):
    net = f"{data}/models/inception5h.py:build"
    code, out, err = run("visualize", "mixed4a:476", "--steps", 24, "--size", 96, net=net)
    assert code == 0, err
    numbers = json.loads(last(out).with_suffix(".json").read_text())["numbers"]
    assert numbers["value"] > 20
    words = ["dream", data / "images" / "sky.jpg", "--octaves", 2, "--steps", 1, "--layer", "mixed4c"]
    code, out, err = run(*words, net=net)
    assert code == 0, err
    assert open_photo(last(out)).shape == open_photo(data / "images" / "sky.jpg").shape
    assert json.loads(last(out).with_suffix(".json").read_text())["network"]["spec"] == "inception5h.py:build"
