"""Networks out of a Python file of one's own."""

import pytest

from phosphene.core.errors import Mistake
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
        (":scripted", "TorchScript"),
    ],
)
def test_a_wrong_factory_is_told(own, factory, said):
    with pytest.raises(Mistake, match=said):
        load(f"{own}{factory}")


def test_a_wrong_file_is_answered_with_its_neighbours(own):
    with pytest.raises(Mistake, match=r"there is no file .*owl.py; did you mean 'own.py'"):
        load(str(own.with_name("owl.py")) + ":build")


def test_a_file_that_can_not_be_imported_says_why(tmp_path):
    (tmp_path / "bad.py").write_text("def build(:\n")
    with pytest.raises(Mistake, match=r"bad.py could not be imported: SyntaxError"):
        load(str(tmp_path / "bad.py"))
