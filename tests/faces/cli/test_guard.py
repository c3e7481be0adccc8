"""Whatever goes wrong is one sentence and an exit code."""

import errno

import pytest
import torch
import typer

from phosphene.core.errors import Mistake, Terminated
from phosphene.faces.cli.guard import Ended, guarded


def raises(error):
    """A library's function; the exception comes from no line of this program."""
    raise error


SHORT = "there is not enough memory"
CPU = RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried to")


@pytest.mark.parametrize(
    ("wrong", "code", "said"),
    [
        (Mistake("x is not y"), 2, "error: x is not y"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a"), 2, "error: a can't be read or written: no such file"),
        (MemoryError(), 2, f"error: phosphene fails: {SHORT}; "),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."), 2, f"{SHORT} for 20.00 GiB more"),
        (CPU, 2, SHORT),
        (KeyError("x"), 2, "error: phosphene fails: KeyError: 'x'; --debug shows where"),
        (RecursionError(), 2, "error: phosphene fails: RecursionError; --debug shows where"),
        (ValueError("one\ntwo"), 2, "error: phosphene fails: ValueError: one; --debug shows where"),
        (SystemExit(3), 2, "error: the network's code ended the program (sys.exit(3))"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (Terminated(), 143, "interrupted"),
    ],
)
def test_whatever_goes_wrong_is_one_sentence_and_a_code(wrong, code, said, capsys):
    with pytest.raises(Ended) as left, guarded():
        raises(wrong)
    assert left.value.code == code and left.value.__cause__ is wrong
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1) and said in err


@pytest.mark.parametrize("end", [Ended(1), typer.Exit(1)])
def test_the_programs_own_end_says_no_more(end, capsys):
    with pytest.raises(type(end)), guarded():
        raises(end)
    assert capsys.readouterr().err == ""


def test_a_reader_who_has_seen_enough_is_not_the_networks_doing(capsys):
    def leave():
        try:
            raise BrokenPipeError
        except BrokenPipeError:
            raise SystemExit(1)  # noqa: B904 (as rich does it)

    with pytest.raises(SystemExit), guarded():
        leave()
    assert capsys.readouterr().err == ""
