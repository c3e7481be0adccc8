"""The command line, by its own entry point: files, words, exit codes, and one sentence for everything wrong."""

import errno
import json
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import phosphene
from phosphene import catalogue
from phosphene.core.pictures.files import open_photo, read_text
from phosphene.core.results.signature import MISSING, shown
from phosphene.faces.running import destination as writing
from phosphene.faces.running import session
from tests.small import SOURCE

ENDS = [".png", ".figure.png", ".json", ".input.png"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """In an empty folder with a network and a photograph."""
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(SOURCE)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("cat.png")


@pytest.fixture
def run(run):
    """As everywhere, on the small network unless another one is given."""

    def call(*words, net="own.py"):
        return run(*words, "--net", net) if net else run(*words)

    return call


def files(folder="."):
    return sorted(p.name for p in Path(folder).iterdir() if p.name not in ("own.py", "cat.png"))


def last(out):
    return Path(out.splitlines()[-1])


def is_one_sentence(code, out, err):
    """Exit code 2, one line on stderr, nothing on stdout, no traceback."""
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err.removeprefix("error: ").strip()


# --------------------------------------------------------------------------------------------------------- help


def quick(*words):
    """In a fresh process: its output, and whether torch was imported."""
    code = (
        "import sys\nfrom phosphene.faces.cli.main import main\n"
        f"try:\n    main({list(words)!r})\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print('torch' in sys.modules, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_help_and_version_do_not_import_torch():
    shown = quick("--help")
    assert shown.endswith("False False\n")
    for name in catalogue.commands():
        assert re.search(rf"{name} +{re.escape(catalogue.sentence(name))}", shown)
    shown = quick("--version")
    assert re.fullmatch(r"phosphene \d+\.\d+\.\d+\S*\nFalse False\n", shown)


@pytest.mark.parametrize("name", catalogue.commands())
def test_every_command_has_help_with_its_options_and_defaults(name, run):
    code, out, err = run(name, "--help", net=None)
    assert code == 0
    assert "Usage:" in out
    assert err == ""
    for row in catalogue.commands()[name]:
        if row.name:
            for option in catalogue.recipe(row.name).options:
                assert option.positional or option.kind is object or option.flag in out
                assert option.default in (None, False, (), MISSING) or shown(option.default) in out


def test_the_one_line_summaries_agree_with_the_commands_own_first_lines():
    """A summary is short for its docstring: they share what they are about."""
    for row in catalogue.CATALOGUE:
        first = catalogue.loaded(row.home).__doc__.splitlines()[0].casefold()
        words = {w for w in re.findall(r"[a-z]+", row.sentence.casefold()) if len(w) > 3}
        assert row.prefix or any(w[:5] in first for w in words), (row, first)


def test_an_unknown_command_or_option_is_exit_code_2(run):
    assert run("visualise", net=None)[0] == 2
    code, _, err = run("predict", "cat.png", "--colour", "3")
    assert code == 2
    assert "--colour" in err


# -------------------------------------------------------------------------------------------------------- files


COMMANDS_AND_FILES = [
    (["predict", "cat.png"], "predict-cat", ENDS),
    (["architecture"], "architecture", ENDS[:3]),
    (["weights"], "weights-conv1", [*ENDS[:3], ".npy"]),
    (["weights", "fc", "--common"], "weights-fc", [*ENDS[:3], ".npy"]),
    (["visualize", "conv2:3", "--steps", 2], "visualize-conv2-3", ENDS[:3]),
    (["visualize", "logits:zebra", "--steps", 2], "visualize-logits-1", ENDS[:3]),
    (["attribute", "cat.png"], "attribute-cat-saliency", [*ENDS, ".npy"]),
    (
        ["attribute", "cat.png", "--method", "occlusion", "--target", "zebra"],
        "attribute-cat-occlusion-logits-1",
        [*ENDS, ".npy", ".activation.npy", ".class.npy", ".score.npy"],
    ),
    (["dream", "cat.png", "--layer", "conv2", "--octaves", 1, "--steps", 1], "dream-cat-conv2", ENDS),
    (["invert", "cat.png", "--layer", "conv2", "--steps", 2], "invert-cat-conv2", ENDS),
    (["attack", "cat.png"], "attack-cat-pgd", [*ENDS, ".npy"]),
    (["attack", "cat.png", "--method", "fgsm", "--eps", "4/255"], "attack-cat-fgsm", [*ENDS, ".npy"]),
]


@pytest.mark.parametrize(("words", "stem", "ends"), COMMANDS_AND_FILES)
def test_without_out_the_files_are_named_after_command_input_and_unit(words, stem, ends, run):
    code, out, err = run(*words)
    assert code == 0, err
    assert files() == sorted(stem + end for end in ends)
    assert last(out) == Path(stem + ".png")


@pytest.mark.parametrize(("words", "stem", "ends"), COMMANDS_AND_FILES)
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


def test_no_step_is_taken_before_the_names_are_checked(run, monkeypatch):
    monkeypatch.setattr("phosphene.faces.running.runner.watch", lambda *_: pytest.fail("the work had begun"))
    Path("x.png").write_text("precious")
    is_one_sentence(*run("visualize", "conv1:0", "--out", "x.png"))
    is_one_sentence(*run("invert", "cat.png", "--out", "own.py/x.png"))


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


# -------------------------------------------------------------------------------------------------------- words


def test_the_last_line_is_the_path_and_quiet_says_nothing_else(run):
    code, out, err = run("predict", "cat.png", "--quiet")
    assert (code, out, err) == (0, "predict-cat.png\n", "")


def test_json_prints_only_json_to_stdout(run):
    code, out, err = run("invert", "cat.png", "--steps", 2, "--json", "--out", "x.png")
    assert code == 0
    assert json.loads(out) == json.loads(Path("x.json").read_text())
    assert err.splitlines()[-1] == "x.png"


def test_json_of_several_pictures_is_a_list(run):
    _, out, _ = run("visualize", "conv1:0-2", "--steps", 0, "--size", 16, "--json")
    assert [row["numbers"]["unit"] for row in json.loads(out)] == ["conv1:0", "conv1:1", "conv1:2"]


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


@pytest.mark.parametrize(
    ("text", "value"), [("8/255", 8 / 255), ("8 / 255", 8 / 255), ("0.03", 0.03), ("3e-2", 0.03), (".5", 0.5)]
)
def test_numbers_may_be_fractions(text, value, run):
    code, out, err = run("attack", "cat.png", "--eps", text, "--json")
    assert code == 0, err
    assert json.loads(out)["arguments"]["eps"] == value


@pytest.mark.parametrize("text", ["8/0", "eight", "8/255/2", "1e999", "nan", "inf", ""])
def test_what_is_no_number_is_told(text, run):
    code, out, err = run("attack", "cat.png", "--eps", text)
    assert code == 2
    assert out == ""
    assert "is not a number; write 0.03 or 8/255" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["attribute", "cat.png", "--window", 3], "--window is not an option of saliency; it belongs to occlusion"),
        (
            ["attack", "cat.png", "--method", "fgsm", "--steps", 3],
            "--steps is not an option of fgsm; it belongs to pgd",
        ),
        (["attack", "cat.png", "--method", "fgsm", "--no-random-start"], "--random-start is not an option of fgsm"),
        (["attack", "cat.png", "--method", "pdg"], "no method 'pdg'; did you mean 'pgd'? (there are pgd, fgsm)"),
        (["attribute", "cat.png", "--method", "magic"], "no method 'magic'"),
    ],
)
def test_an_option_that_the_method_does_not_take_is_an_error(words, said, run):
    assert said in is_one_sentence(*run(*words))


# ------------------------------------------------------------------------------------------------ what is wrong


def bomb(path, side=30_000):
    """A black picture of `side` x `side` pixels in about a hundred kilobytes."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packed, row = zlib.compressobj(1), bytes(1 + (side + 7) // 8)
    pixels = b"".join(packed.compress(row * 500) for _ in range(side // 500)) + packed.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def bad_photo(kind):
    path = Path(f"{kind}.jpg")
    match kind:
        case "text":
            path.write_text("dear diary")
        case "empty":
            path.touch()
        case "folder":
            path.mkdir()
        case "truncated":
            Image.open("cat.png").resize((300, 300)).save("whole.jpg")
            path.write_bytes(Path("whole.jpg").read_bytes()[:4000])
        case "dot":
            Image.new("RGB", (1, 1)).save(path)
        case "bomb":
            bomb(path)
    return path


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("text", "is not a picture that can be read: it begins with text"),
        ("empty", "is empty"),
        ("folder", "is a folder"),
        ("truncated", "is cut off"),
        ("dot", "is 1 x 1 pixels"),
        ("bomb", "million"),
        ("missing", "there is no file missing.jpg"),
    ],
)
@pytest.mark.parametrize("command", ["predict", "attribute", "dream", "invert", "attack", "tour"])
def test_a_bad_photograph_is_one_sentence(command, kind, said, run):
    if (command, kind) == ("attribute", "folder"):  # which takes folders, too
        said = "there is no picture in folder.jpg"
    assert said in is_one_sentence(*run(command, bad_photo(kind)))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["visualize", "conv9:0"], "no layer 'conv9'; did you mean 'conv1'"),
        (["visualize", "conv1:6"], "conv1 has channels 0 to 5, not 6"),
        (["visualize", "conv1:0-1000000"], "conv1 has channels 0 to 5, not 1000000"),
        (["visualize", "logits:horse"], "no class 'horse' (4 in all, 0 to 3)"),
        (["visualize", "logits:crane"], "2 (crane, wading bird), 3 (crane, lifting machine); give the number"),
        (["attribute", "cat.png", "--target", "crane"], "'crane' is the name of 2 classes"),
        (["attack", "cat.png", "--target", "9"], "has classes 0 to 3, not 9"),
        (["dream", "cat.png", "--layer", "conv"], "no layer 'conv'; did you mean"),
        (["invert", "cat.png", "--layer", "conv9"], "no layer 'conv9'; did you mean"),
        (
            ["weights", "relu3"],
            "'relu3' of own.py has no weights of its own; the nearest that can be shown: 'conv3' and 'fc'",
        ),
        (["visualize", "conv1:0", "--size", 0], "size is 0; it must be 8 to 10000"),
        (["visualize", "conv1:0", "--steps", -1], "-1 is not a valid value for steps: it must be at least 0"),
        (["predict", "cat.png", "--top", 0], "0 is not a valid value for top: it must be at least 1"),
        (["attack", "cat.png", "--eps", 0], "eps is 0; it must be 1/255"),
        (["dream", "cat.png", "--octaves", 0], "at least one octave"),
        (["attribute", "cat.png", "--method", "occlusion", "--window", 99], "a window of 99 px does not fit"),
        (["predict", "cat.png", "--device", "gpu"], "device 'gpu' is not here"),
        (["predict", "cat.png", "--precision", "8"], "precision '8' is not known"),
        (["predict", "cat.png", "--weights", "none.pt"], "there is no such file"),
        (["predict", "cat.png", "--out", "x.jpg"], "x.jpg can't keep every pixel"),
    ],
)
def test_what_is_not_there_is_one_sentence(words, said, run):
    assert said in is_one_sentence(*run(*words))


@pytest.mark.parametrize("net", ["own.py:bild", "embedded:foto", "resnet18", "torchvision:resnet19", "own.py:number"])
def test_a_wrong_network_is_one_sentence(net, run):
    is_one_sentence(*run("predict", "cat.png", net=net))


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "cat.png"],
        ["visualize", "conv3:0"],
        ["visualize", "logits:0"],
        *(
            ["attribute", "cat.png", "--target", "0", "--method", m]
            for m in ("gradient", "saliency", "guided", "occlusion")
        ),
        ["dream", "cat.png", "--layer", "conv3"],
        ["invert", "cat.png", "--layer", "conv3"],
        ["attack", "cat.png"],
        ["attack", "cat.png", "--method", "fgsm"],
    ],
)
def test_a_network_that_gives_nan_is_one_sentence(words, run):
    assert "finite" in is_one_sentence(*run(*words, net="own.py:broken"))
    assert files() == []


@pytest.mark.parametrize("out", ["own.py/x.png", "own.py/folder", "/proc/none/x.png"])
@pytest.mark.parametrize("words", [["visualize", "conv1:0"], ["predict", "cat.png"], ["tour", "cat.png"]])
def test_a_folder_that_can_not_be_written_to_is_told_before_the_work_starts(words, out, run, monkeypatch):
    monkeypatch.setattr(session, "load", lambda *_, **__: pytest.fail("the work had begun"))
    assert "can't be written to" in is_one_sentence(*run(*words, "--out", out))


def test_a_disk_that_fills_up_sends_the_result_elsewhere(run, monkeypatch, tmp_path):
    save = writing.save_png

    def full(picture, path, text=None):
        if Path(path).resolve().is_relative_to(tmp_path / "here"):
            raise OSError(errno.ENOSPC, "No space left on device")
        save(picture, path, text)

    monkeypatch.setattr(writing, "save_png", full)
    code, out, err = run("invert", "cat.png", "--steps", 1, "--out", "here/x.png")
    assert code == 0
    assert last(out).exists()
    assert not last(out).resolve().is_relative_to(tmp_path / "here")
    assert f"could not be written to (no space left on device); it is in {last(out).parent}" in err


class Stopper:
    """Something happens in the network after so many readings."""

    def __init__(self, monkeypatch, after, what, again=False):
        from phosphene.core.networks.network import Network

        self.left, read = after, Network.read

        def counted(network, *args, **kwargs):
            self.left -= 1
            if self.left == 0 or (again and self.left < 0):
                return what(read(network, *args, **kwargs))
            return read(network, *args, **kwargs)

        monkeypatch.setattr(Network, "read", counted)


def test_several_photographs_are_a_folder_and_whole_ones_keep_their_sizes(run):
    Image.new("RGB", (30, 20), "red").save("red.png")
    Image.new("RGB", (20, 26), "blue").save("blue.png")
    code, _, err = run("attribute", "red.png", "blue.png", "--target", "zebra", "--out", "both")
    assert (code, err) == (0, "")
    ends = [*ENDS, ".npy"]
    assert files("both") == sorted(f"{name}-saliency-logits-1{end}" for name in ("red", "blue") for end in ends)
    assert np.load("both/red-saliency-logits-1.npy").shape == (16, 16)
    code, _, err = run("attribute", "red.png", "blue.png", "--fit", "whole", "--out", "whole")
    assert (code, err) == (0, "")
    assert np.load("whole/attribute-red-saliency.npy").shape == (20, 30)
    assert np.load("whole/attribute-blue-saliency.npy").shape == (26, 20)


def test_a_photograph_that_can_not_be_read_is_left_out_of_many(run):
    Path("broken.png").write_text("nothing")
    code, _, err = run("attribute", "cat.png", "broken.png", "--out", "x")
    assert code == 0
    assert "left out: broken.png is not a picture that can be read" in err
    assert "attribute-cat-saliency.png" in files("x")


def interrupt(_):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["visualize", "conv2:0", "--steps", 50], "steps"),
        (["dream", "cat.png", "--octaves", 1, "--steps", 50], "steps"),
        (["invert", "cat.png", "--steps", 50], "steps"),
        (["attack", "cat.png", "--steps", 50], "steps"),
        (
            [
                "attribute",
                "cat.png",
                "--method",
                "occlusion",
                "--window",
                2,
                "--stride",
                1,
                "--batch",
                1,
                "--no-incremental",
            ],
            "places",
        ),
    ],
)
def test_ctrl_c_keeps_the_best_so_far(words, key, run, monkeypatch):
    Stopper(monkeypatch, 6, interrupt)
    code, out, err = run(*words, "--out", "x.png")
    assert code == 130
    assert "interrupted: this is the best so far" in err
    assert last(out) == Path("x.png")
    assert open_photo("x.png").shape[1] == 3
    assert 0 < json.loads(Path("x.json").read_text())["numbers"][key] < 100


def test_ctrl_c_keeps_the_film_so_far(run, monkeypatch):
    Stopper(monkeypatch, 6, interrupt)
    code, _, _ = run("invert", "cat.png", "--layer", "conv2", "--steps", 50, "--out", "x.png", "--film", "way.gif")
    assert code == 130
    with Image.open("way.gif") as film:
        assert 2 <= film.n_frames < 10
    assert json.loads(Path("x.json").read_text())["outputs"][-1] == "way.gif"


@pytest.mark.parametrize("name", ["way.gif", "way.mp4"])
def test_a_film_is_written_beside_the_picture_and_listed_in_its_record(name, run):
    words = ["dream", "cat.png", "--octaves", 1, "--steps", 2, "--out", "x.png", "--film", name]
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    assert out.splitlines()[-2:] == [name, "x.png"]
    assert json.loads(Path("x.json").read_text())["outputs"] == ["x.png", "x.figure.png", "x.json", "x.input.png", name]
    before = Path(name).read_bytes()
    assert f"{name} is there already" in is_one_sentence(*run(*words[:-3], "y.png", "--film", name))
    assert Path(name).read_bytes() == before
    assert not Path("y.png").exists()
    assert run(*words, "--force")[0] == 0


def test_only_what_takes_steps_is_filmed(run):
    code, _, err = run("predict", "cat.png", "--film", "way.gif")
    assert code == 2
    assert "--film" in err
    said = is_one_sentence(*run("attribute", "cat.png", "--method", "gradient", "--film", "way.gif"))
    assert said.startswith("gradient makes its picture at once; --film belongs to integrated, smoothgrad, rise, occlu")
    assert run("attribute", "cat.png", "--method", "occlusion", "--film", "way.gif")[0] == 0
    assert "give one that ends in .gif or .mp4" in is_one_sentence(*run("dream", "cat.png", "--film", "way.png"))
    assert set(files()) > {f"attribute-cat-occlusion{end}" for end in [*ENDS, ".npy"]} | {"way.gif"}


def test_a_film_that_cannot_be_written_does_not_lose_the_picture(run, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("phosphene.core.pictures.film._write_gif", full)
    code, out, err = run("dream", "cat.png", "--octaves", 1, "--steps", 1, "--out", "x.png", "--film", "way.gif")
    assert code == 2
    assert "way.gif cannot be written: no space left on device" in err
    assert last(out) == Path("x.png")
    assert "way.gif" not in json.loads(Path("x.json").read_text())["outputs"]


def test_ctrl_c_before_anything_was_computed_is_exit_code_130(run, monkeypatch):
    Stopper(monkeypatch, 1, interrupt)
    code, out, err = run("visualize", "conv2:0")
    assert (code, out) == (130, "")
    assert err.strip() == "interrupted"
    assert files() == []


def test_nan_on_the_way_keeps_the_last_good_picture(run, monkeypatch):
    def broken(layers):
        return {name: y * float("nan") for name, y in layers.items()}

    Stopper(monkeypatch, 4, broken, again=True)
    code, out, err = run("visualize", "conv2:0", "--steps", 50, "--precision", "float32", "--out", "x.png")
    assert code == 2
    assert re.search(r"error: step 3: .* is not finite on own.py; kept the last good picture", err)
    assert last(out) == Path("x.png")
    assert json.loads(Path("x.json").read_text())["numbers"]["steps"] == 2


def test_the_same_seed_makes_the_same_bytes(run):
    for name in ("a", "b"):
        run("visualize", "conv2:0", "--steps", 3, "--seed", 7, "--out", f"{name}.png")
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


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


# -------------------------------------------------------------------------------------------------- photographs


def variants(photo, folder):
    """(file, its plain RGB copy) for every kind of photograph."""
    rng = np.random.default_rng(0)
    alpha = photo.convert("RGBA")
    alpha.putalpha(Image.fromarray((rng.random((photo.height, photo.width)) > 0.05).astype(np.uint8) * 255))
    flat = Image.alpha_composite(Image.new("RGBA", photo.size, "white"), alpha)
    grey = photo.convert("L")
    pairs = {
        "alpha.png": (alpha, flat.convert("RGB"), {}),
        "grey.png": (grey, grey.convert("RGB"), {}),
        "palette.png": (photo.quantize(256), photo.quantize(256).convert("RGB"), {}),
        "deep.png": (Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), grey.convert("RGB"), {}),
        "cmyk.jpg": (photo.convert("CMYK"), photo, {"quality": 95}),
    }
    exif = Image.Exif()
    exif[0x0112] = 6
    pairs["turned.jpg"] = (photo.transpose(Image.Transpose.ROTATE_90), photo, {"exif": exif, "quality": 95})
    for name, (image, plain, options) in pairs.items():
        image.save(folder / name, **options)
        plain.save(folder / f"{name}.plain.png")
        yield folder / name, folder / f"{name}.plain.png"


def top(network, path):
    return phosphene.predict(network, path).numbers[0]["top"][0]


def test_every_kind_of_photograph_gets_the_answer_of_its_plain_copy(tmp_path):
    from skimage import data as samples

    network = phosphene.load()
    for path, plain in variants(Image.fromarray(samples.chelsea()), tmp_path):
        assert top(network, path)["p"] == pytest.approx(top(network, plain)["p"], abs=0.05), path.name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["elephant.jpg", "dog.jpg"])
def test_every_kind_of_photograph_gets_the_top_1_of_its_plain_copy_from_inception(data, tmp_path, name):
    network = phosphene.load(f"{data}/models/inception5h.py:build")
    for path, plain in variants(Image.open(data / "images" / name).convert("RGB"), tmp_path):
        assert top(network, path)["class"] == top(network, plain)["class"], path.name


# --------------------------------------------------------------------------------------------------- real input


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


def test_of_many_photographs_those_that_cannot_be_read_are_left_out_and_said(run):
    Path("many").mkdir()
    for i in range(3):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(f"many/{i}.png")
    Path("many/broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    words = ["facets", "conv2:1", "many", "gone.png", "--count", 1, "--steps", 1, "--size", 16]
    code, out, err = run(*words)
    assert code == 0
    assert [line.partition(":")[0] for line in err.splitlines() if "left out" in line] == ["left out"] * 2
    assert "broken.jpg is not a picture that can be read" in err and "no file gone.png" in err
    assert last(out) == Path("facets-conv2-1-1.png")
    is_one_sentence(*run("facets", "conv2:1", "gone.png"))
