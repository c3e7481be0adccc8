"""PyTorch's settings are there without a GPU, so that what becomes of them can be tested anywhere."""

import threading

import pytest
import torch

from phosphene.core.networks.whole_float32 import whole_float32

GPU = torch.device("cuda")


NEW = hasattr(torch.backends.cudnn, "conv")
"""PyTorch 2.9 has other settings, and older ones as well."""


def settings():
    backends = torch.backends
    if NEW:
        return [part.fp32_precision for part in (backends.cudnn.conv, backends.cudnn.rnn, backends.cuda.matmul)]
    return [backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()]


def whole():
    return all(setting in ("ieee", "none", False, "highest") for setting in settings())


@pytest.fixture(params=["as it comes", "old", *(["new"] if NEW else [])], autouse=True)
def _set(request):
    """As PyTorch sets them, and as somebody has."""
    backends = torch.backends
    if request.param == "old":
        torch.set_float32_matmul_precision("medium")
    if request.param == "new":
        backends.cudnn.rnn.fp32_precision, backends.cuda.matmul.fp32_precision = "ieee", "tf32"
    before = settings()
    assert not whole()
    yield
    assert settings() == before
    backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("highest")
    if NEW:
        backends.cuda.matmul.fp32_precision = "none"


def test_products_are_whole_until_the_last_context_ends():
    with whole_float32(GPU):
        with whole_float32(GPU):
            assert whole()
        assert whole()
    assert not whole()


def test_an_error_puts_them_back():
    before = settings()
    with pytest.raises(KeyError), whole_float32(GPU):
        raise KeyError
    assert settings() == before


def test_threads_that_overlap_are_one_context():
    entered, ended = threading.Event(), threading.Event()

    def first():
        with whole_float32(GPU):
            entered.set()
            ended.wait(5)

    thread = threading.Thread(target=first)
    thread.start()
    entered.wait(5)
    with whole_float32(GPU):
        ended.set()
        thread.join()
        assert whole()


def test_a_processor_has_no_other_float32():
    before = settings()
    with whole_float32(torch.device("cpu")):
        assert settings() == before
