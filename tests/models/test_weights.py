"""Weights from files: what fits goes in, what would run code is refused."""

import argparse
import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.models.specs import load, state_sha256
from phosphene.models.weights import put_weights, read_weights


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


class Trap:
    """Unpickled, it would write a file."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (open, (str(self.file), "w"))


def archive():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(zipfile.ZipInfo("readme.txt"), "hello")  # of 1980: a test's name, with the time in it, changes
    return buffer.getvalue()


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


def told(own, file):
    with pytest.raises(Mistake) as said:
        load(str(own), weights=file)
    return str(said.value)


def test_a_missing_file_of_weights_is_told(own, tmp_path):
    assert "none.pt can't be used as weights: there is no such file" in told(own, tmp_path / "none.pt")


def test_what_is_no_file_of_weights_is_called_what_it_is(own, tmp_path, monkeypatch):
    (tmp_path / "folder.pt").mkdir()
    (tmp_path / "dangling.pt").symlink_to("nowhere")
    assert "folder.pt can't be used as weights: it is a folder" in told(own, tmp_path / "folder.pt")
    assert "it is a link to nowhere, which is not there" in told(own, tmp_path / "dangling.pt")
    assert "the name of the file of weights is empty" in told(own, "")
    assert "addresses are not opened" in told(own, "https://example.org/w.pt")
    assert "can't be read (file name too long)" in told(own, tmp_path / ("a" * 300))
    torch.save({}, tmp_path / "secret.pt")

    way = os.open

    def refuse(path, *how):
        if "secret" in str(path):
            raise PermissionError(13, "Permission denied")
        return way(path, *how)

    monkeypatch.setattr(os, "open", refuse)
    assert "secret.pt can't be used as weights: it can't be read (permission denied)" in told(
        own, tmp_path / "secret.pt"
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty (0 bytes)"),
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a pointer of git-lfs"),
        (b"<html>404</html>", "it is a web page"),
        (b"dear diary", "it begins with text"),
    ],
)
def test_text_instead_of_weights_is_called_so(content, words, own, tmp_path):
    (tmp_path / "w.pt").write_bytes(content)
    assert told(own, tmp_path / "w.pt").startswith(f"w.pt can't be read as weights: {words}")


@pytest.mark.parametrize("name", ["w.bin", "w.pt", "w"])
def test_safetensors_are_told_by_what_is_in_them(name, own, state, tmp_path):
    save_file(state, tmp_path / name)
    assert (load(str(own), weights=tmp_path / name).model.fc.weight == 0.25).all()


def test_values_beside_the_weights_are_no_code(own, state, tmp_path):
    values = {"best": np.float64(0.5), "seen": np.int64(3), "args": argparse.Namespace(lr=0.1, out=Path("runs/1"))}
    torch.save({"state_dict": state} | values, tmp_path / "w.pt")
    assert (load(str(own), weights=tmp_path / "w.pt").model.fc.weight == 0.25).all()


def test_weights_on_meta_are_no_numbers(own, state, tmp_path):
    torch.save({name: value.to("meta") for name, value in state.items()}, tmp_path / "w.pt")
    assert told(own, tmp_path / "w.pt") == (
        "w.pt holds no numbers: conv1.weight was on the meta device when it was saved"
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda value: value.to(torch.complex64), "holds complex numbers (complex64), and the network's are float32"),
        (lambda value: value.to(torch.int8), "holds whole numbers (int8), and the network's are float32"),
    ],
)
def test_numbers_of_another_kind_are_not_cast(change, words, own, state, tmp_path):
    torch.save(state | {"fc.weight": change(state["fc.weight"])}, tmp_path / "w.pt")
    assert told(own, tmp_path / "w.pt") == f"w.pt does not fit the network: fc.weight {words}"


def test_what_is_said_about_weights_begins_with_the_files_name(own, state, tmp_path):
    torch.save({"model": state | {"epoch": torch.tensor(3)}}, tmp_path / "w.pt")
    assert put_weights(load(str(own)).model, tmp_path / "w.pt") == ["w.pt left out epoch, which the network has not"]


def test_weights_give_numbers_to_a_network_on_meta(own, state, tmp_path):
    torch.save(state, tmp_path / "w.pt")
    with torch.device("meta"):
        model = nn.ModuleDict({name: nn.Linear(2, 2) for name in "ab"})
    torch.save({name: torch.ones(value.shape) for name, value in model.state_dict().items()}, tmp_path / "w.pt")
    put_weights(model, tmp_path / "w.pt")
    assert all((value == 1).all() for value in model.state_dict().values())


def test_a_quantized_network_takes_no_weights(tmp_path):
    model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(2, 2)), {nn.Linear})
    torch.save({"0.weight": torch.ones(2, 2)}, tmp_path / "w.pt")
    with pytest.raises(Mistake, match="the network is quantized"):
        put_weights(model, tmp_path / "w.pt")
