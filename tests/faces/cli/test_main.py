"""Where the program begins: tracebacks are for --debug, and an interruption is one from the first line on."""

import os
import signal
import subprocess
import sys
import time

import pytest

from phosphene import catalogue
from phosphene.core.errors import Terminated
from phosphene.faces.cli import program
from phosphene.faces.cli.main import SPINS


@pytest.fixture
def failing(run, monkeypatch):
    """The program, whose run raises this."""

    def call(error, *words):
        def raises(given):
            assert "--debug" not in given
            raise error

        monkeypatch.setattr(program, "run", raises)
        return run(*words)

    return call


def test_a_traceback_is_shown_with_debug_alone_before_or_behind_the_command(failing):
    code, out, err = failing(ZeroDivisionError("no"), "predict")
    assert (code, out) == (2, "") and err.count("\n") == 1 and err.startswith("error: phosphene fails")
    for words in (["--debug", "predict"], ["predict", "--debug"]):
        code, out, err = failing(ZeroDivisionError("no"), *words)
        assert (code, out) == (2, "")
        assert "in raises" in err and "ZeroDivisionError: no" in err and err.startswith("error: phosphene fails")


def test_threads_do_not_wait_busily_for_long_unless_somebody_wants_that(run, monkeypatch):
    code = "import sys, phosphene.faces.cli.main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # which reads it as it is loaded
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    for own, told in (("", SPINS), ("5", "5")):
        monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
        if own:
            monkeypatch.setenv("GOMP_SPINCOUNT", own)
        assert run("--version")[0] == 0 and os.environ["GOMP_SPINCOUNT"] == told
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert run("--version")[0] == 0 and "GOMP_SPINCOUNT" not in os.environ


def test_the_program_is_a_module_too():
    ran = subprocess.run([sys.executable, "-m", "phosphene", "--version"], capture_output=True, text=True)
    assert ran.returncode == 0 and ran.stdout.startswith("phosphene ")


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (Terminated(), 143)])
def test_an_interruption_has_the_code_that_shells_know(error, code, failing):
    assert failing(error, "predict") == (code, "", "interrupted\n")


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (Terminated(), 143)])
def test_so_has_one_within_a_command(error, code, run, monkeypatch):
    def interrupted():
        raise error

    monkeypatch.setattr(catalogue, "loaded", lambda home: interrupted)
    assert run("layers") == (code, "", "interrupted\n")


def test_sigterm_is_an_interruption_and_its_handler_is_put_back(run, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(program, "run", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    assert run("predict") == (143, "", "interrupted\n")
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_while_the_program_is_loaded_is_no_traceback(number, code, tmp_path):
    # a process in the background lacks the handler
    code_of = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from phosphene.faces.cli.main import main; print(1, flush=True); main()"
    )
    words = [sys.executable, "-c", code_of, "predict"]
    for after in (0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.8):
        pipe = subprocess.PIPE
        with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, cwd=tmp_path) as process:
            assert process.stdout.readline() == "1\n"
            time.sleep(after + 0.005)
            process.send_signal(number)
            out, err = process.communicate()
        assert "Traceback" not in err, (after, err)
        assert process.returncode in (code, -number), (after, out, err)
