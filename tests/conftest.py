"""What every test may use. The test data lies beside the project and may be absent; then its tests skip."""

import importlib.util
import os
import random
import signal
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from tests.annotations import check_annotations

collect_ignore = list[str]()
if "PHOSPHENE_GPU" not in os.environ:  # tests say the same on every machine; `make gpu` is for what a GPU says
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    collect_ignore = ["faces/replay/test_gpu.py"]

check_annotations("phosphene")
settings.register_profile(
    "phosphene",
    deadline=None,  # nothing here is measured by the clock: other work on the machine is no fault
    suppress_health_check=[HealthCheck.too_slow],  # that is a clock, too
    derandomize="CI" in os.environ,  # there the same examples every time, elsewhere others
    print_blob=True,
)
settings.load_profile("phosphene")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as shells do to what runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

if "PYTEST_XDIST_WORKER" in os.environ:  # as many workers as cores: two threads each wait for one another for minutes
    torch.set_num_threads(1)

DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"


@pytest.fixture(autouse=True)
def _alike(request):
    """Every test begins with the same seed; small ones get one thread, as waiting for a second costs more."""
    random.seed(0)  # of a sequence, annotations check an item that is drawn
    torch.default_generator.manual_seed(0)  # torch.manual_seed also notes a traceback for each kind of GPU, every time
    threads = torch.get_num_threads()
    if "slow" not in request.keywords:
        torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def run(capsys):
    """run("predict", "cat.png") -> (exit code, stdout, stderr) of this command line."""
    from phosphene.faces.cli.main import main

    def call(*words):
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        return left.value.code or 0, out, err

    return call


@pytest.fixture(scope="session")
def data():
    """The folder of test data, or a skip."""
    if not (DATA / "SHA256SUMS").is_file():
        pytest.skip("test data not present")
    return DATA.resolve()


@pytest.fixture(scope="session")
def shared_module(data):
    """shared_module(name) -> the Python module of a shared network: build() and SPEC."""

    def load(name):
        pytest.importorskip("safetensors")
        spec = importlib.util.spec_from_file_location(name, data / "models" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "dont_write_bytecode", True)  # nothing is written beside the data
            spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def shared_network(shared_module):
    """shared_network(name, dtype) -> a Network of a shared model, built anew."""
    from phosphene.core.networks.network import Network

    def load(name, dtype=torch.float32):
        module = shared_module(name)
        spec = {key: module.SPEC[key] for key in ("mean", "std", "bgr", "labels")}
        return Network(module.build().to(dtype), size=module.SPEC["input_size"], name=name, **spec)

    return load


@pytest.fixture(scope="session")
def zoo():
    """zoo(name, **options) -> an untrained torchvision network in float64 whose every number matters."""
    from phosphene.models.torchvision import import_torchvision
    from tests.small import stirred

    models = import_torchvision().models

    def load(name, **options):
        return stirred(models.get_model(name, weights=None, **options).double())

    return load
