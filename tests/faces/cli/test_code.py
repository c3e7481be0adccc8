"""A photograph's code as a file, and pictures that are made of it, and again, without the photograph."""

from pathlib import Path

import pytest

from tests.faces.commands import ENDS, files, is_one_sentence, last


@pytest.mark.slow
def test_a_code_becomes_a_picture_without_the_photograph_which_can_be_made_again(small):
    code, out, err = small("code", "cat.png", "--layer", "conv2", "--out", "kept.safetensors")
    assert (code, err) == (0, "") and last(out) == Path("kept.safetensors")
    Path("cat.png").unlink()
    code, out, err = small("invert", "kept.safetensors", "--steps", 3)
    assert code == 0, err
    assert last(out) == Path("invert-kept-conv2.png")
    made = [f"invert-kept-conv2{end}" for end in ENDS if end != ".input.png"]
    assert set(files()) == {"kept.safetensors", *made}
    for picture in (made[0], made[1]):
        code, out, err = small("replay", picture, "--input", "kept.safetensors", "--out", f"again-{picture}")
        assert code == 0, err
        assert "identical" in out


def test_a_picture_of_a_code_is_not_made_again_from_another_one(small):
    small("code", "cat.png", "--layer", "conv2", "--out", "one.safetensors")
    small("code", "cat.png", "--layer", "conv1", "--out", "other.safetensors")
    small("invert", "one.safetensors", "--steps", 2, "--out", "made.png")
    words = is_one_sentence(*small("replay", "made.png", "--input", "other.safetensors"))
    assert "other.safetensors is not the photograph 'one.safetensors'" in words


def test_files_are_called_after_their_layer_and_not_overwritten(small):
    assert last(small("code", "cat.png", "--layer", "conv2")[1]) == Path("code-conv2.safetensors")
    assert last(small("code", "cat.png", "--layer", "all")[1]) == Path("code-all.safetensors")
    assert "is there already" in is_one_sentence(*small("code", "cat.png", "--layer", "conv2"))
    assert small("code", "cat.png", "--layer", "conv2", "--force")[0] == 0
    assert "ends in .safetensors" in is_one_sentence(*small("code", "cat.png", "--out", "code.png"))


def test_other_commands_say_that_a_code_is_no_picture(small):
    small("code", "cat.png", "--layer", "conv2", "--out", "kept.safetensors")
    assert "kept.safetensors is not a picture" in is_one_sentence(*small("predict", "kept.safetensors"))
