"""What the command line says: the last line, JSON, and one sentence for everything wrong."""

import json
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from phosphene.faces.cli import output, show
from tests.faces.commands import files, is_one_sentence


@pytest.fixture
def run(small):
    return small


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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["visualize", "conv9:0"], "no layer 'conv9'; did you mean 'conv1'"),
        (["visualize", "conv1:6"], "conv1 has channels 0 to 5, not 6"),
        (["visualize", "conv1:0-1000000"], "conv1 has channels 0 to 5, not 1000000"),
        (["visualize", "logits:horse"], "no class 'horse' (4 in all, 0 to 3: phosphene layers --classes)"),
        (["visualize", "logits:crane"], "2 (crane, wading bird), 3 (crane, lifting machine); give the number"),
        (["attribute", "cat.png", "--target", "crane"], "'crane' is the name of 2 classes"),
        (["attack", "cat.png", "--target", "9"], "has classes 0 to 3, not 9"),
        (["dream", "cat.png", "--layer", "conv"], "no layer 'conv'; did you mean"),
        (["invert", "cat.png", "--layer", "conv9"], "no layer 'conv9'; did you mean"),
        (
            ["weights", "relu3"],
            "'relu3' of own.py has no weights of its own; the nearest that can be shown: 'conv3' and 'fc'",
        ),
        (["visualize", "conv1:0", "--size", 0], "0 is not a valid value for size: it must be 8 to 10000"),
        (["visualize", "conv1:0", "--steps", -1], "-1 is not a valid value for steps: it must be 0 to 100000"),
        (["predict", "cat.png", "--top", 0], "0 is not a valid value for top: it must be 1 to 1000"),
        (["attack", "cat.png", "--eps", 0], "0 is not a valid value for eps: it must be"),
        (["dream", "cat.png", "--octaves", 0], "0 is not a valid value for octaves: it must be 1 to 100"),
        (["attribute", "cat.png", "--method", "occlusion", "--window", 99], "a window of 99 px does not fit"),
        (["predict", "cat.png", "--device", "gpu"], "device 'gpu' is not here"),
        (["predict", "cat.png", "--precision", "8"], "precision '8' is not known"),
        (["predict", "cat.png", "--weights", "none.pt"], "there is no such file"),
        (["predict", "cat.png", "--out", "x.jpg"], "x.jpg can't keep every pixel"),
        (["dream", "cat.png", "--out", "x.mp4"], "x.mp4 is a film's name; give it as --film"),
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
    ("photo", "said"),
    [
        ("", "what was given as PHOTO"),
        ("a" * 300 + ".png", "file name too long"),
        ("https://example.org/cat.png", "addresses are not opened"),
        ("cat.png/", "ends like a folder, but cat.png is a file"),
        ("circle.png", "circle.png is a link that leads in a circle"),
        ("dangling.png", "dangling.png is a link to nowhere, which is not there"),
    ],
)
@pytest.mark.parametrize("command", ["predict", "attribute", "dream"])
def test_a_strange_name_is_one_sentence(command, photo, said, run):
    Path("circle.png").symlink_to("circle.png")
    Path("dangling.png").symlink_to("nowhere")
    assert said in is_one_sentence(*run(command, photo))


def test_a_photograph_with_a_long_name_has_results_with_a_shorter_one(run):
    photo = "a" * 245 + ".png"
    Path(photo).write_bytes(Path("cat.png").read_bytes())
    code, out, _ = run("predict", photo)
    assert code == 0 and Path(out.splitlines()[-1]).is_file()


def test_code_that_ends_the_program_is_one_sentence(run):
    Path("leaves.py").write_text(
        "import sys\nfrom torch import nn\n"
        "class Leaves(nn.Module):\n    def forward(self, x):\n        sys.exit(0)\n"
        "def build():\n    return Leaves(), {'size': 16}\n"
        "def leaves():\n    sys.exit(3)\n"
    )
    for net in ("leaves.py", "leaves.py:leaves"):
        assert "sys.exit(" in is_one_sentence(*run("predict", "cat.png", net=net))


def test_a_strangers_words_do_nothing_to_the_terminal(capsys):
    hostile = "\x1b[2J\x1b]0;you\x07 [bold]red[/] \u202eelgoog\n"
    output.error(hostile)
    output.note(hostile)
    show.table(["name"], [[hostile]])
    out, err = capsys.readouterr()
    assert out.count("\n") == 2 and err.count("\n") == 2
    assert (out + err).replace("\n", "").isprintable() and (out + err).count("[bold]red[/]") == 3
