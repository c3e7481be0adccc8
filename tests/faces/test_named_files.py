"""Whatever somebody names, and whatever it is instead of a file: one sentence at once; nothing waits, nothing hangs."""

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.faces.commands import is_one_sentence

PLACES = {
    "a photograph": ["predict", "{}.png"],
    "a start": ["visualize", "conv1:0", "--start", "{}.png", "--size", "8"],
    "weights": ["layers", "--weights", "{}.pt"],
    "safetensors": ["layers", "--weights", "{}.safetensors"],
    "a network": ["layers", "--net", "{}.py"],
    "a judge": ["visualize", "conv1:0", "--judge", "{}.py", "--size", "8", "--steps", "1"],
    "a plan": ["layers", "--plan", "{}.json"],
    "a direction": ["visualize", "conv1:file={}.npy", "--size", "8"],
    "a direction in safetensors": ["visualize", "conv1:file={}.safetensors", "--size", "8"],
    "a picture to be like": ["visualize", "conv1:like={}.png", "--size", "8"],
    "a picture to replay": ["replay", "{}.png"],
    "the photograph of a replay": ["replay", "made.png", "--net", "own.py", "--input", "{}.png"],
    "a network of a replay": ["replay", "made.png", "--net", "{}.py", "--input", "cat.png"],
}


def be_pipe(path):
    os.mkfifo(path)


def be_socket(path):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)  # a relative one, as the system allows a hundred letters


def be_endless(path):
    Path(path).symlink_to("/dev/zero")


def be_huge(path):
    Path(path).touch()
    os.truncate(path, 2**42)


def be_folder(path):
    Path(path).mkdir()


def be_dangling(path):
    Path(path).symlink_to("nowhere")


def be_circle(path):
    Path(path).symlink_to(path)


def be_nothing(path):
    pass


def be_locked(path):
    Path(path).touch()
    Path(path).chmod(0)


KINDS = {
    be_pipe: "a device or a pipe", be_socket: "a device or a pipe", be_endless: "a device or a pipe",
    be_huge: "has 4,398 GB", be_folder: "folder", be_dangling: "a link to nowhere, which is not there",
    be_circle: "a link that leads in a circle", be_nothing: "there is no",
}  # fmt: skip
if hasattr(os, "geteuid") and os.geteuid():  # nothing is locked for root
    KINDS[be_locked] = "permission denied"


@pytest.fixture(scope="module")
def kept():
    """A picture that can be replayed, once it is made."""
    return []


@pytest.fixture
def alarm():
    """Ends a test that hangs, as the suite would otherwise."""

    def rung(*_):
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, rung)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="needs pipes and alarms")
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_file_is_one_sentence_at_once(place, small, run, kept, alarm):
    words = PLACES[place]
    if "made.png" in words:
        if not kept:
            small("attribute", "cat.png", "--method", "gradient", "--out", "made.png")
            kept.append(Path("made.png").read_bytes())
        Path("made.png").write_bytes(kept[0])
    for be, said in KINDS.items():
        given = [word.format(be.__name__) for word in words]
        name = next(word for word in given if be.__name__ in word).partition("=")[2]
        be(name or next(word for word in given if be.__name__ in word))
        with_net = run if "--net" in given or given[0] == "replay" else small
        assert said in is_one_sentence(*with_net(*given)), (place, be.__name__)


def test_a_tilde_is_the_home_folder_for_the_photographs_of_a_replay_too(small, run, monkeypatch):
    small("attribute", "cat.png", "--method", "gradient", "--out", "made.png")
    Path("home").mkdir()
    Path("cat.png").rename("home/moved.png")
    monkeypatch.setenv("HOME", str(Path("home").resolve()))
    for given in ("~/moved.png", "~"):
        code, out, err = run("replay", "made.png", "--net", "own.py", "--input", given, "--force")
        assert (code, err) == (0, "") and "identical" in out
