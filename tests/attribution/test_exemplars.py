"""The recipe around patches: which units and photographs, what is said about them, and what is refused."""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from phosphene.attribution import deconvnet, gradient, guided
from phosphene.attribution.exemplars import exemplars
from phosphene.core.errors import Mistake
from phosphene.core.index.photographs import Indexed
from phosphene.core.networks.network import Network
from phosphene.core.networks.receptive_fields import Axis
from phosphene.core.units.inputs import feed
from phosphene.core.units.units import Unit
from tests.small import SOURCE, Tokens, convnet, levels, linear, noise, stirred
from tests.small_index import small_index, small_network

PHOTOS = [levels(1, 3, 18, 16, seed=i) for i in range(12)]


def best(network, layer, channel, count):
    """(value, photograph, row, column), read photograph by photograph."""
    found = []
    for i, photo in enumerate(PHOTOS):
        y = network.read(feed(network, photo), [layer])[layer][0, channel]
        row, column = divmod(int(y.flatten().argmax()), y.shape[1])
        found.append((float(y[row, column]), i, row, column))
    return sorted(found, reverse=True)[:count]


@pytest.mark.slow
def test_the_numbers_are_those_of_the_photographs_that_excite_each_unit_most():
    network = convnet()
    result = exemplars(network, PHOTOS, units=["conv2:3", "relu3:all"], count=4, batch=5)
    assert result.names == ["conv2-3", "relu3-0", "relu3-1", "relu3-2", "relu3-3", "relu3-4"]
    for numbers, (layer, channel) in zip(
        result.numbers, [("conv2", 3), *(("relu3", k) for k in range(5))], strict=True
    ):
        assert numbers["unit"] == f"{layer}:{channel}"
        field = network.receptive_field(layer)
        for told, (value, i, row, column) in zip(numbers["photographs"], best(network, layer, channel, 4), strict=True):
            assert told["value"] == pytest.approx(value)
            assert (told["name"], told["position"]) == (f"photograph {i + 1}", [row, column])
            top, left, bottom, right = field.box(row, column)
            assert told["box"] == {"left": left, "top": top, "width": right - left, "height": bottom - top}
    json.dumps(result.numbers)


def sampled(cell, height, width):
    """The middle of each of height x width squares."""
    rows, columns = ((np.arange(many) * 2 + 1) * cell.shape[1] // (2 * many) for many in (height, width))
    return cell[:, rows][:, :, columns]


def inside(slope, box):
    """What a box holds of (3, h, w), 0 where it leaves it, pixel by pixel."""
    part = np.zeros((3, box["height"], box["width"]))
    for r in range(box["height"]):
        for c in range(box["width"]):
            y, x = box["top"] + r, box["left"] + c
            if 0 <= y < slope.shape[1] and 0 <= x < slope.shape[2]:
                part[:, r, c] = slope[:, y, x]
    return part


def test_what_is_shown_is_what_the_recipes_for_one_photograph_say():
    network = convnet()
    result = exemplars(network, PHOTOS, units="conv3:2", count=3)
    for i, told in enumerate(result.numbers[0]["photographs"]):
        photo, box = PHOTOS[int(told["name"].split()[1]) - 1], told["box"]
        unit = "conv3:2@{},{}".format(*told["position"])
        for row, method in enumerate((gradient, deconvnet, guided), start=1):
            part = inside(method(network, photo, unit=unit).values[0], box)
            cell = result.image[0, :, 132 * row : 132 * row + 128, 132 * i : 132 * i + 128].numpy()
            shown = sampled(cell, box["height"], box["width"]) - 0.5
            scale = 0.5 / np.sort(np.abs(part).flatten())[int(np.ceil(0.995 * part.size)) - 1]
            np.testing.assert_allclose(shown, np.clip(scale * part, -0.5, 0.5), atol=1e-5)


def test_a_layer_picks_the_units_whose_best_photographs_stand_out_most():
    network = convnet()
    peaks = torch.stack([network.read(feed(network, p), ["conv2"])["conv2"][0].amax((1, 2)) for p in PHOTOS])
    above = (peaks.sort(0, descending=True).values[:9].mean(0) - peaks.mean(0)) / peaks.std(0, correction=0)
    result = exemplars(network, PHOTOS, layers=["conv2", "conv2#1"], each=3, figure="nine")
    assert [numbers["unit"] for numbers in result.numbers] == [
        f"conv2:{int(k)}" for k in above.argsort(descending=True)[:3]
    ]
    both = exemplars(network, PHOTOS, units=result.numbers[1]["unit"], layers="conv2", each=3, figure="nine")
    assert sorted(n["unit"] for n in both.numbers) == sorted(n["unit"] for n in result.numbers)


def test_ten_photographs_are_columns_and_nine_are_squares():
    network = convnet()
    rows, nine = exemplars(network, PHOTOS, units="conv2:1"), exemplars(network, PHOTOS, units="conv2:1", figure="nine")
    assert rows.image.shape == (1, 3, 4 * 132 - 4, 10 * 132 - 4)
    assert nine.image.shape == (1, 3, 3 * 84 - 4, 2 * (3 * 84 - 4) + 8)
    assert [len(r.numbers[0]["photographs"]) for r in (rows, nine)] == [10, 9]
    assert rows.drawing.width >= rows.image.shape[3] and nine.drawing.height > nine.image.shape[2]


@pytest.fixture
def words(monkeypatch):
    """words(...): the result of `exemplars`, and every line that was written on its figure."""
    from phosphene.core.pictures import plates

    lines, write = [], plates.write

    def watched(pen, at, some, size, ink):
        lines.extend(some)
        write(pen, at, some, size, ink)

    monkeypatch.setattr(plates, "write", watched)
    return lambda *args, **options: (exemplars(*args, **options), "\n".join(lines))


def test_classes_show_whole_pictures(words):
    result, said = words(convnet(), PHOTOS, units=["logits:zebra"], count=3)
    for told in result.numbers[0]["photographs"]:
        assert told["position"] is None
        assert told["box"] == {"left": 0, "top": 0, "width": 16, "height": 16}
    assert "logit of zebra, which sees the whole picture" in said
    assert "2 x 2 px" not in said


@pytest.mark.slow
def test_how_much_a_unit_sees_is_said(words):
    assert "conv2:1, which sees 5 x 5 px" in words(convnet(), PHOTOS, units="conv2:1")[1]
    result, said = words(convnet(), PHOTOS, units="conv2:1", sees="most")
    side = result.numbers[0]["photographs"][0]["box"]["width"]
    assert side <= 5 and f"conv2:1, which sees mostly {side} x {side} px" in said
    assert "cut to where 95% of its gradient lies" in said.replace("\n", " ")


def test_without_rectifiers_the_gradient_is_all_and_that_is_said(words):
    network = linear(noise(4, 3, 8, 8) - 0.5, [0.0] * 4)
    result, said = words(network, PHOTOS, units="logits:0-1", count=2)
    assert result.image.shape == (2, 3, 2 * 132 - 4, 2 * 132 - 4)
    assert "has no rectifiers" in said
    nine, said = words(network, PHOTOS, units="logits:0", figure="nine")
    assert nine.image.shape[0] == 1 and "what is traced back from that one neuron" in said


def test_below_the_first_rectifier_the_rows_are_alike_and_that_is_said(words):
    result, said = words(convnet(), PHOTOS, units=["conv1:0", "conv2:0"], count=2)
    assert "No rectifier runs before conv1: there deconvnet and guided are the gradient." in said
    rows = [result.image[:, :, 132 * k : 132 * k + 128] for k in range(4)]
    for k in (2, 3):
        assert torch.equal(rows[1][0], rows[k][0]) and not torch.equal(rows[1][1], rows[k][1])


def test_chapters_of_the_gallery_are_layers(words):
    _, said = words(convnet(), PHOTOS, units=["conv1:0", "conv2:0", "conv1:2"], figure="nine")
    lines = [line.split(",")[0] for line in said.split("\n") if line.startswith("conv")]
    assert lines == ["conv1:0", "conv1:2", "conv2:0", "conv1", "conv2"]  # captions first, then headings


def test_of_a_transformers_units_the_token_is_found_and_the_whole_picture_shown():
    network = Network(Tokens().double(), size=16)
    (numbers,) = exemplars(network, PHOTOS, units="gelu:2", count=2).numbers
    for told in numbers["photographs"]:
        photo = PHOTOS[int(told["name"].split()[1]) - 1]
        said = network.read(feed(network, photo), ["gelu"])["gelu"][0, 2]
        assert told["position"] == int(said.argmax()) and told["value"] == pytest.approx(float(said.max()))
        assert told["box"]["width"] == 16


def test_what_is_wrong_whatever_the_photographs_are_is_told_before_they_are_read():
    network = convnet()
    assert exemplars.promised(network, {"units": ["conv2:1", "conv3:0"]}) == ["conv2-1", "conv3-0"]
    assert len(exemplars.promised(network, {"units": ["conv2:1"], "layers": ["conv3"], "each": 2})) == 3
    for given, said in (({"units": ["conv2:99"]}, "conv2 has channels 0 to 7"), ({"layers": ["x"]}, "no layer 'x'")):
        with pytest.raises(Mistake, match=said):
            exemplars.promised(network, given)


def test_mistakes_are_told():
    network, tell = convnet(), {}
    tell["no unit was given; give --unit"] = {}
    tell["no layer 'conv4'"] = {"units": "conv4:1"}
    tell["conv2 has channels 0 to 7, not 8"] = {"units": "conv2:8"}
    tell["'conv2' is not a single channel"] = {"units": "conv2"}
    tell["is not a single channel or class"] = {"units": "conv2:1 + conv2:3"}
    tell["has a position, but exemplars are looked for everywhere; write conv2:1"] = {"units": "conv2:1@2,3"}
    tell["12 photographs are too few to show the best 13 of each unit"] = {"units": "conv2:1", "count": 13}
    tell["the figure 'nine' shows nine photographs of a unit, not 5"] = {
        "units": "conv2:1",
        "count": 5,
        "figure": "nine",
    }
    tell["figure is rows, nine or strip, not 'ten'"] = {"units": "conv2:1", "figure": "ten"}
    tell["no layer 'conv9'"] = {"layers": ["conv9"]}
    for words, options in tell.items():
        with pytest.raises(Mistake) as told:
            inspect.unwrap(exemplars)(network, PHOTOS, **options)
        assert words in str(told.value)
    with pytest.raises(Mistake, match="0 is not a valid value for count: it must be 1 to 100"):
        exemplars(network, PHOTOS, units="conv2:1", count=0)
    with pytest.raises(Mistake, match="70 units are too many for one figure, which shows 64 at most"):
        exemplars(network, PHOTOS, layers=["conv1", "conv2"], each=35)
    with pytest.raises(Mistake, match="all units of conv2 say the same about all of these photographs"):
        exemplars(network, PHOTOS[:1] * 12, layers="conv2")


# --------------------------------------------------------------------------------------------------- the command


@pytest.fixture
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(SOURCE)
    Path("photos").mkdir()
    for i, photo in enumerate(PHOTOS):
        pixels = (255 * photo[0].permute(1, 2, 0)).round().byte().numpy()
        Image.fromarray(pixels).save(f"photos/{i:02}.png")


@pytest.mark.slow
@pytest.mark.usefixtures("_here")
def test_the_command_takes_several_units_and_layers_and_writes_one_figure(run):
    words = ["exemplars", "photos", "--unit", "conv2:3", "--unit", "conv1:0-1", "--layer", "relu3", "--each", "1"]
    code, out, err = run(*words, "--count", "3", "--net", "own.py", "--out", "made")
    assert (code, err) == (0, "")
    assert "conv2:3, " in out and out.splitlines()[-1] == "made"
    records = [json.loads(path.read_text()) for path in Path("made").glob("*.json")]
    assert len(records) == 4 and len(list(Path("made").glob("*.figure.png"))) == 1
    told = {r["numbers"]["unit"]: [p["name"] for p in r["numbers"]["photographs"]] for r in records}
    assert told["conv2:3"] == [f"{i:02}" for _, i, *_ in best(convnet(torch.float32), "conv2", 3, 3)]


@pytest.mark.slow
@pytest.mark.usefixtures("_here")
def test_the_command_says_what_is_missing_in_one_sentence(run):
    code, out, err = run("exemplars", "photos", "--net", "own.py")
    assert (code, out) == (2, "")
    assert err == "error: no unit was given; give --unit LAYER:UNIT, or --layer LAYER to have some picked\n"
    code, _, err = run("exemplars", "photos/03.png", "--unit", "conv2:1", "--net", "own.py")
    assert code == 2 and "1 photographs are too few" in err
    code, out, err = run(
        "exemplars", "photos/03.png", "--unit", "conv2:1", "--count", "1", "--net", "own.py", "--out", "made.png"
    )
    assert (code, err) == (0, "")
    assert json.loads(Path("made.json").read_text())["numbers"]["photographs"][0]["name"] == "03"
    assert run("replay", "made.png", "--net", "own.py", "--input", "photos")[0] == 0


@pytest.mark.slow
def test_dogs_excite_a_dog_unit_of_inception_and_the_field_of_its_branch_is_cut_out(data):
    import phosphene

    network = phosphene.load(f"{data / 'models' / 'inception5h.py'}:build")
    photos = sorted((data / "imagenet_200").glob("*.jpg"))[::2]
    (numbers,) = exemplars(network, photos, units="mixed4a:217", figure="nine").numbers
    classes = [int(told["name"].split("_")[0]) for told in numbers["photographs"]]
    assert sum(151 <= index <= 268 for index in classes) >= 7  # ImageNet's dogs
    assert {told["box"]["width"] for told in numbers["photographs"]} == {139}
    assert network.receptive_field("mixed4a").rows == Axis(171, 16, network.receptive_field("mixed4a").rows.offset)
    assert Unit("mixed4a", 217).short == numbers["unit"]


# ------------------------------------------------------------------------------------------------------- of an index


@pytest.fixture
def index(tmp_path):
    pytest.importorskip("pyarrow")
    return small_index(tmp_path)


@pytest.mark.slow
def test_an_index_gives_the_exemplars_of_its_photographs_without_reading_them(index):
    network, files = small_network(), [str(file) for file in sorted((index.folder.parent / "photos").rglob("*.png"))]
    for options in ({"units": ["relu2:3", "logits:zebra"], "count": 4}, {"layers": ["relu1"], "each": 2, "count": 3}):
        (own, anew) = (exemplars(network, photos, **options) for photos in (Indexed(index), files))
        assert own.names == anew.names and torch.equal(own.image, anew.image)
        for numbers, others in zip(own.numbers, anew.numbers, strict=True):
            for told, other in zip(numbers["photographs"], others["photographs"], strict=True):
                assert told == other | {"value": pytest.approx(other["value"], rel=1e-5)}
        used = {file for numbers in own.numbers for file in (one["name"] for one in numbers["photographs"])}
        assert {Path(one["name"]).stem for one in own.recipe["inputs"]} == used and len(used) < len(files)


@pytest.mark.slow
@pytest.mark.parametrize("band", ["weakest", "median", "threshold"])
def test_the_bands_of_an_index_are_those_of_its_photographs(index, band):
    network, files = small_network(), [str(file) for file in sorted((index.folder.parent / "photos").rglob("*.png"))]
    (own, anew) = (exemplars(network, p, units="relu2:3", count=4, band=band) for p in (Indexed(index), files))
    for told, other in zip(own.numbers[0]["photographs"], anew.numbers[0]["photographs"], strict=True):
        assert (told["name"], told["position"]) == (other["name"], other["position"])
        assert told["value"] == pytest.approx(other["value"], abs=1e-5)
    assert own.numbers[0]["band"] == band


def test_what_is_wrong_with_an_index_is_told(index):
    network, photos = small_network(), Indexed(index)
    for words, options in {
        "60 photographs are too few to show the best 61 of each unit": {"units": "relu2:3", "count": 61},
        "10 images of a band were asked for, and the index has 9": {"units": "relu2:3"},
        "has no layer 'conv2'": {"units": "conv2:1", "count": 3},
        "the index was made with --fit crop, not squash": {"units": "relu2:3", "count": 3, "fit": "squash"},
    }.items():
        with pytest.raises(Mistake, match=words):
            exemplars(network, photos, **options)
    with pytest.raises(Mistake, match="is of Sequential with other weights; give --weights"):
        exemplars(convnet(torch.float32, relu=torch.nn.GELU).of(stirred(convnet().model)), photos, units="relu2:3")


@pytest.mark.slow
@pytest.mark.usefixtures("_here")
def test_an_index_is_named_with_units_behind_it_and_its_picture_is_made_again_from_what_was_used(run, tmp_path):
    pytest.importorskip("pyarrow")
    small_index(tmp_path / "data")
    words = ["exemplars", "data/photos.index", "relu2:3", "--count", "2", "--figure", "strip", "--net", "own.py"]
    assert run(*words, "--out", "made.png")[::2] == (0, "")
    record = json.loads(Path("made.json").read_text())
    assert len(record["inputs"]) == 2 and record["arguments"]["units"] == ["relu2:3"]
    assert run("replay", "made.png", "--net", "own.py", "--input", "data/photos.index")[0] == 0
    for one in Path("data/photos").rglob("*.png"):
        if one.name not in {used["name"] for used in record["inputs"]}:
            one.unlink()
    code, out, _ = run("replay", "made.png", "--net", "own.py", "--input", "data/photos", "--force")
    assert code == 0 and "identical" in out


@pytest.mark.slow
def test_a_unit_is_painted_verified_and_asked_for_its_relevance_in_one_figure():
    network = convnet()
    options = {"units": ["conv2:3"], "count": 3, "verify": True, "synthetic": True}
    result = exemplars(network, PHOTOS, by="relevance", target="zebra", **options)
    assert result.image.shape == (1, 3, 5 * 132 - 4, 4 * 132 - 4)
    (numbers,) = result.numbers
    assert numbers["outside"] == "bit-equal under 5 changes outside" and numbers["label"] == "zebra"
    values = [told["value"] for told in numbers["photographs"]]
    assert values == sorted(values, reverse=True)
    nine = exemplars(network, PHOTOS, figure="nine", **options | {"count": 9})
    side = 3 * 84 - 4
    assert nine.image.shape == (1, 3, side, 3 * side + 16)
    strip = exemplars(network, PHOTOS, units=["conv2:3", "conv2:5"], figure="strip", sees="picture", count=12)
    assert strip.image.shape == (2, 3, 128, 12 * 132 - 4)
    for given, said in (
        ({"by": "relevance"}, "relevance is for a class, and none is given; give --target CLASS"),
        ({"target": "zebra"}, "--target zebra is the class for relevance; give --by relevance too"),
    ):
        with pytest.raises(Mistake, match=said):
            exemplars(network, PHOTOS, units="conv2:3", **given)
