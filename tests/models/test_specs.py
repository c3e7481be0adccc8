"""Networks from spec strings: every form loads, everything else is told what it is and what would do."""

import io
import pickle
import urllib.error
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import phosphene
from phosphene.core.errors import Mistake
from phosphene.models.specs import EMBEDDED, WEIGHTS, load, networks, put_weights, read_weights, state_sha256
from tests.small import LABELS, SOURCE


@pytest.fixture
def own(tmp_path):
    """A file with a user's own network."""
    file = tmp_path / "own.py"
    file.write_text(SOURCE)
    return file


@pytest.fixture
def state(own):
    """A state dict for it that is not its own."""
    return {name: torch.full_like(value, 0.25) for name, value in load(str(own)).model.state_dict().items()}


# ---------------------------------------------------------------------------------------------------- spec forms


def test_the_default_is_the_embedded_photo_network():
    network = load()
    assert network.name == "embedded:photo"
    assert network.size == (64, 64)
    assert network.classes == len(network.labels) == 100
    assert network.sha256 == state_sha256(network.model)
    assert not network.fixed


def test_the_embedded_digits_network_is_grey_and_names_digits():
    network = load("embedded:digits")
    assert network.grey and network.fixed
    assert network.size == (28, 28)
    assert network.labels == "zero one two three four five six seven eight nine".split()
    assert network.classes == 10
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.model.modules())


def test_the_embedded_digits_network_reads_digits(data):
    mnist = np.load(data / "mnist.npz")
    digits, classes = (torch.from_numpy(mnist[name][:500]) for name in ("X_test", "y_test"))
    with torch.no_grad():
        logits = load("embedded:digits").read(digits[:, None].expand(-1, 3, -1, -1) / 255, ["logits"])["logits"]
    assert (logits.argmax(1) == classes).float().mean() >= 0.99


@pytest.mark.parametrize("name", EMBEDDED)
def test_every_embedded_network_has_a_card_with_its_terms_and_its_limits(name):
    card = (WEIGHTS / f"{name}.md").read_text(encoding="utf-8")
    assert card.startswith(f"# `embedded:{name}`\n")
    for part in ("| input |", "| top-1 |", "## Data and terms", "## Limits"):
        assert part in card


def test_what_is_embedded_is_small():
    assert sum(file.stat().st_size for file in WEIGHTS.iterdir()) <= 16 * 2**20


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


def test_torchvision_untrained_is_seeded_and_knows_how_to_be_fed():
    torch.manual_seed(5)
    one = load("torchvision:resnet18?weights=none")
    after = torch.rand(1)
    torch.manual_seed(6)
    two = load("torchvision:resnet18?weights=none")
    assert one.sha256 == two.sha256
    assert one.mean == (0.485, 0.456, 0.406)
    assert one.std == (0.229, 0.224, 0.225)
    assert one.size == (224, 224)
    assert one.labels[207] == "golden retriever"
    torch.manual_seed(5)
    assert torch.rand(1) == after  # the caller's random numbers are untouched


def test_timm_untrained_is_seeded_and_knows_how_to_be_fed():
    pytest.importorskip("timm")
    one, two = (load("timm:resnet10t?weights=none") for _ in range(2))
    assert one.sha256 == two.sha256
    assert one.size == (176, 176)
    assert len(one.mean) == len(one.std) == 3
    assert "golden retriever" in one.labels[207]


def test_precision_and_device_are_set():
    assert load(precision="float64", device="cpu").dtype == torch.float64
    assert load(precision="bfloat16").dtype == torch.float32
    assert load(precision="bfloat16").plan.precision == "bfloat16"
    assert load().dtype == torch.float32


def test_all_that_can_be_loaded_is_listed():
    found = networks()
    ours = [f"embedded:{name}" for name in EMBEDDED]
    assert list(found) == [*ours, "torchvision:NAME", "timm:NAME", "FILE.py:FACTORY"]
    assert all(found.values())


# --------------------------------------------------------------------------------------------------- wrong names


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("embedded:foto", "no embedded network 'foto'; did you mean 'photo'"),
        ("photo", "did you mean 'embedded:photo'"),
        ("torchvision:resnet19", "torchvision has no network 'resnet19'; did you mean 'resnet1"),
        ("torchvision:", "torchvision has no network ''"),
        ("torchvision:resnet18?weights=V9", "resnet18 has no weights 'V9'; there are IMAGENET1K_V1 and none"),
        ("torchvision:resnet18?weights=none&colour=3", "colour"),
        ("torchvison:resnet18", "did you mean 'torchvision:resnet18'"),
        ("", "write embedded:NAME"),
        (".py", "no network '.py'|there is no file"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(spec, said):
    with pytest.raises(Mistake, match=said):
        load(spec)


def test_timm_names_are_answered_too():
    pytest.importorskip("timm")
    with pytest.raises(Mistake, match="timm has no network 'resnet19'; did you mean 'resnet1"):
        load("timm:resnet19?weights=none")
    with pytest.raises(Mistake, match="colour"):
        load("timm:resnet18?weights=none&colour=3")


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


@pytest.mark.parametrize(
    ("option", "said"), [("device", "device 'gpu' is not here; there is cpu"), ("precision", "gpu")]
)
def test_a_wrong_device_or_precision_is_told(option, said):
    with pytest.raises(Mistake, match=said):
        load(**{option: "gpu"})


# -------------------------------------------------------------------------------------------------------- weights


def save_as(kind, state, folder):
    file = folder / ("w.safetensors" if kind == "safetensors" else "w.pt")
    wrapped = {f"module.{name}": value for name, value in state.items()}
    if kind == "safetensors":
        save_file(state, file)
        return file
    torch.save(
        {
            "plain": state,
            "nested": {"state_dict": state, "epoch": 3},
            "model": {"model": state},
            "parallel": wrapped,
            "compiled": {f"_orig_mod.{name}": value for name, value in wrapped.items()},
            "half": {name: value.half() for name, value in state.items()},
        }[kind],
        file,
    )
    return file


@pytest.mark.parametrize("kind", ["safetensors", "plain", "nested", "model", "parallel", "compiled", "half"])
def test_weights_come_from_a_file(kind, own, state, tmp_path):
    network = load(str(own), weights=save_as(kind, state, tmp_path))
    assert all((value == 0.25).all() for value in network.model.state_dict().values())
    assert network.sha256 == state_sha256(network.model)


def test_a_network_whose_own_names_begin_with_module_keeps_them(tmp_path):
    model = nn.ModuleDict({"module": nn.Linear(2, 2)})
    torch.save({name: torch.ones_like(v) for name, v in model.state_dict().items()}, tmp_path / "w.pt")
    put_weights(model, tmp_path / "w.pt")
    assert (model["module"].weight == 1).all()


def test_weights_that_do_not_fit_are_told_by_their_first_differences(own, state, tmp_path):
    state["fc.weight"] = torch.zeros(10, 5)
    state["extra"] = torch.zeros(1)
    del state["conv1.bias"], state["conv2.bias"]
    with pytest.raises(Mistake) as told:
        load(str(own), weights=save_as("plain", state, tmp_path))
    assert str(told.value) == (
        "w.pt does not fit the network: conv1.bias is missing, conv2.bias is missing, "
        "extra is unknown to the network and 1 more"
    )
    del state["extra"]
    state |= {"conv1.bias": torch.zeros(6), "conv2.bias": torch.zeros(8)}
    with pytest.raises(Mistake, match=r"fc.weight is \(10, 5\) instead of \(4, 5\)"):
        load(str(own), weights=save_as("plain", state, tmp_path))


class Trap:
    """Unpickled, it would write a file."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (open, (str(self.file), "w"))


@pytest.mark.parametrize("wrapping", ["torch", "pickle", "legacy", "nested"])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(wrapping, own, tmp_path):
    sprung, file = tmp_path / "sprung", tmp_path / "w.pt"
    if wrapping == "pickle":
        file.write_bytes(pickle.dumps(Trap(sprung)))
    else:
        content = {"state_dict": {"x": torch.zeros(1)}, "args": Trap(sprung)} if wrapping == "nested" else Trap(sprung)
        torch.save(content, file, _use_new_zipfile_serialization=wrapping != "legacy")
    for attempt in (lambda: load(str(own), weights=file), lambda: load(str(file))):
        with pytest.raises(Mistake, match=r"would execute code .* torch.save\(model.state_dict\(\), FILE\)"):
            attempt()
    assert not sprung.exists()


def test_a_pickled_module_is_refused_with_the_way_out(own, tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "whole.pt")
    with pytest.raises(Mistake, match=r"whole.pt would execute code .*state_dict"):
        load(str(own), weights=tmp_path / "whole.pt")


def test_torchscript_is_refused_with_the_reason(own, tmp_path):
    torch.jit.script(nn.Linear(2, 2)).save(tmp_path / "s.pt")
    with pytest.raises(Mistake, match=r"s.pt can't be used as weights: it is TorchScript, .* give a safetensors file"):
        load(str(own), weights=tmp_path / "s.pt")
    with pytest.raises(Mistake, match=r"s.pt is not a network: it is TorchScript.*give --net FILE.py:FACTORY"):
        load(str(tmp_path / "s.pt"))


def test_an_exported_program_is_refused_with_the_reason(own, tmp_path):
    program = torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),))
    torch.export.save(program, tmp_path / "e.pt2")
    with pytest.raises(Mistake, match=r"e.pt2 can't be used as weights: it is an exported program"):
        load(str(own), weights=tmp_path / "e.pt2")
    with pytest.raises(Mistake, match=r"e.pt2 is not a network: it is an exported program"):
        load(str(tmp_path / "e.pt2"))


def test_weights_alone_are_no_network(state, tmp_path):
    file = save_as("safetensors", state, tmp_path)
    with pytest.raises(Mistake, match="holds weights, and weights alone don't tell"):
        load(str(file))


def archive():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("readme.txt", "hello")
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors", "w.bin"])
@pytest.mark.parametrize("content", [b"", b"hello world, this is a text", b"\x80\x02", b"\0" * 64, archive()])
def test_what_holds_no_weights_is_told_in_one_sentence(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Mistake, match=f"^{name} can't be read as weights") as told:
        read_weights(tmp_path / name)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {0: torch.zeros(1)}, torch.zeros(2)])
def test_a_file_with_something_else_in_it_is_told(content, tmp_path):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(Mistake, match=r"w.pt holds no state dict"):
        read_weights(tmp_path / "w.pt")


def test_a_missing_file_of_weights_is_told(own, tmp_path):
    with pytest.raises(Mistake, match="there is no such file"):
        load(str(own), weights=tmp_path / "none.pt")


def test_weights_that_can_not_be_fetched_are_a_sentence(monkeypatch, tmp_path, capsys):
    def offline(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    with pytest.raises(Mistake) as told:
        load("torchvision:squeezenet1_1")
    assert "could not be fetched" in str(told.value)
    assert "torchvision:squeezenet1_1?weights=none is the untrained network" in str(told.value)
    assert capsys.readouterr().out == ""  # it belongs to the program's own output
    assert "\n" not in str(told.value)


def test_timms_weights_that_can_not_be_fetched_are_a_sentence(monkeypatch, tmp_path):
    builder = pytest.importorskip("timm.models._builder")

    def offline(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(builder, "load_pretrained", offline)
    with pytest.raises(Mistake, match=r"could not be fetched .*timm:resnet10t\?weights=none is the untrained") as told:
        load("timm:resnet10t")
    assert "\n" not in str(told.value)


def test_the_public_door_is_the_same_function():
    assert phosphene.load is load
