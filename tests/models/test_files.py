"""Networks out of a Python file of one's own."""

import sys

import pytest

from phosphene.core.errors import Mistake, Note
from phosphene.models.specs import load
from tests.small import LABELS, SOURCE


def test_a_file_gives_build_and_the_spec_beside_it(own):
    for spec in (f"{own}:build", str(own)):
        network = load(spec)
        assert network.size == (16, 16)
        assert network.labels == LABELS
        assert network.mean == (0.5, 0.5, 0.5)
        assert network.std == (0.2, 0.2, 0.2)
        assert not network.bgr


def test_a_factory_may_return_a_module_and_a_dict(own):
    network = load(f"{own}:described")
    assert (network.mean, network.std) == ((0.1, 0.2, 0.3), (1, 1, 1))
    assert network.size == (24, 20)
    assert network.bgr
    assert network.labels is None


def test_labels_are_as_many_as_classes(own):
    own.write_text(f"{SOURCE}\n\ndef seven():\n    return Small(7), SPEC\n")
    with pytest.raises(Mistake, match="labels has 4 names, but the network has 7 classes"):
        load(f"{own}:seven")


def test_labels_that_arguments_outdate_are_left_out_and_that_is_said(own):
    with pytest.warns(Note, match="labels has 4 names, but the network has 7 classes with these arguments"):
        network = load(f"{own}:build?classes=7")
    assert network.labels is None


def test_arguments_go_behind_a_question_mark(own):
    assert load(f"{own}:build?classes=7").classes == 7
    assert load(f"{own}?classes=7").classes == 7


def test_the_record_has_no_folder_in_it(own):
    assert load(f"{own}:build?classes=7").name == "own.py:build?classes=7"


def test_a_folder_may_be_called_like_a_python_file(own, tmp_path):
    folder = tmp_path / ".pyenv" / "my nets.py-old" / "ünï"
    folder.mkdir(parents=True)
    (folder / "own.py").write_text(SOURCE)
    assert load(f"{folder}/own.py:build").name == "own.py:build"


def test_reading_a_users_file_leaves_nothing_beside_it(own):
    load(str(own))
    assert [p.name for p in own.parent.iterdir()] == ["own.py"]


@pytest.mark.parametrize("name", ["mnist_cnn", "cifar_resnet20", "cifar_cnn_a_adv"])
def test_a_shared_file_brings_its_spec(data, shared_module, name):
    network = load(f"{data}/models/{name}.py:build")
    spec = shared_module(name).SPEC
    assert network.labels == spec["labels"]
    assert network.size == (spec["input_size"],) * 2
    assert list(network.mean) == list(spec["mean"])
    assert network.classes == 10
    assert network.grey == (name == "mnist_cnn")


def test_a_shared_factory_with_an_argument(data):
    network = load(f"{data}/models/vgg19_16x.py:build_encoder?level=3")
    assert list(network.layers)[-2] == "relu3_1"
    with pytest.raises(Mistake, match=r"level must be 1..5"):
        load(f"{data}/models/vgg19_16x.py:build_encoder?level=9")


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        (":bild", r"own.py has no function 'bild'; did you mean 'build'\? \(it has Small, build"),
        (":number", "own.py:number returned int, not a torch.nn.Module"),
        (":clumsy", "own.py:clumsy failed: OSError: the cupboard is bare"),
        (":build?colour=3", "could not be called: .*colour.*; arguments go behind it"),
    ],
)
def test_a_wrong_factory_is_told(own, factory, said):
    with pytest.raises(Mistake, match=said):
        load(f"{own}{factory}")


def test_a_file_without_any_function_says_so(tmp_path):
    (tmp_path / "bare.py").write_text("x = 1")
    with pytest.raises(Mistake, match=r"bare.py has no function 'build' \(it has none\)"):
        load(f"{tmp_path}/bare.py")


STRANGE = """
import argparse, sys
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--classes", type=int, default=4)
args = parser.parse_args()


def build():
    print("building")
    return nn.Sequential(nn.Flatten(), nn.Linear(192, args.classes)), {"size": 8}


def leaves():
    sys.exit(3)


def leaves_quietly():
    sys.exit()


def asks():
    return build()[0] if input("really? ") == "yes" else None


def asks_for_a_secret():
    import getpass
    getpass.getpass()


def is_stopped():
    raise KeyboardInterrupt
"""


@pytest.fixture
def strange(tmp_path):
    """A file that reads the command line and asks questions."""
    (tmp_path / "strange.py").write_text(STRANGE)
    return tmp_path / "strange.py"


def test_our_command_line_is_not_the_files_own(strange, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["phosphene", "predict", "--net", "strange.py"])
    assert load(str(strange)).classes == 4
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("leaves", r"strange.py:leaves failed: it ended the program \(sys.exit\(3\)\)"),
        ("leaves_quietly", r"strange.py:leaves_quietly failed: it ended the program \(sys.exit\(0\)\)"),
        ("asks", "strange.py:asks failed: it asks for input, and nobody is asked"),
        ("asks_for_a_secret", "strange.py:asks_for_a_secret failed: it asks for input, and nobody is asked"),
    ],
)
def test_a_factory_that_ends_or_asks_is_told(strange, factory, said, capfd):
    with pytest.raises(Mistake, match=said):
        load(f"{strange}:{factory}")
    assert capfd.readouterr() == ("", "")


def test_a_file_that_ends_when_it_is_imported_is_told(tmp_path):
    (tmp_path / "bad.py").write_text("raise SystemExit('no')")
    with pytest.raises(Mistake, match=r"bad.py could not be imported: it ended the program \(sys.exit\('no'\)\)"):
        load(str(tmp_path / "bad.py"))


def test_an_interruption_of_a_factory_interrupts(strange):
    argv, stdin, stdout = sys.argv, sys.stdin, sys.stdout
    with pytest.raises(KeyboardInterrupt):
        load(f"{strange}:is_stopped")
    assert (sys.argv, sys.stdin, sys.stdout) == (argv, stdin, stdout)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("https://example.org/net.py", "addresses are not opened"),
        ("https://example.org/net.pt", "addresses are not opened"),
        ("a" * 300 + ".py:build", "aaa.py can.t be read: file name too long"),
    ],
)
def test_what_is_no_file_is_told(spec, said):
    with pytest.raises(Mistake, match=said):
        load(spec)


def test_a_folder_is_no_python_file(tmp_path):
    (tmp_path / "nets.py").mkdir()
    with pytest.raises(Mistake, match=r"nets.py is a folder, not a Python file"):
        load(str(tmp_path / "nets.py"))


def test_a_wrong_file_is_answered_with_its_neighbours(own):
    with pytest.raises(Mistake, match=r"there is no file .*owl.py; did you mean 'own.py'"):
        load(str(own.with_name("owl.py")) + ":build")


def test_a_file_that_can_not_be_imported_says_why(tmp_path):
    (tmp_path / "bad.py").write_text("def build(:\n")
    with pytest.raises(Mistake, match=r"bad.py could not be imported: SyntaxError"):
        load(str(tmp_path / "bad.py"))
