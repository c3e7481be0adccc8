"""A command line that can't be read is answered in one sentence, in the program's own words."""

import pytest

from tests.faces.commands import is_one_sentence


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["visualise", "conv1:0"], "no command 'visualise'; did you mean 'visualize'? (phosphene --help lists them)"),
        (["help", "predlct"], "no command 'predlct'; did you mean 'predict'? (phosphene --help lists them)"),
        (["--quiet", "predict"], "no option '--quiet' in front of a command; write phosphene COMMAND --quiet"),
        (["predict", "--tob", "3"], "predict has no option '--tob'; did you mean '--top'"),
        (["predict", "--top"], "--top needs a value behind it; see phosphene predict --help"),
        (["predict", "--force=1"], "--force takes no value; see phosphene predict --help"),
        (["predict", "a.png", "b.png"], "predict has no use for 'b.png'; see phosphene predict --help"),
        (["visualize"], "visualize needs UNIT... (LAYER:UNIT"),
        (["atlas", "a.png"], "atlas needs --layer (whose activations)"),
        (["predict", "--top", "2.5"], "2.5 is not a valid value for top: it must be a whole number, 1 to 1000"),
        (["predict", "--top", "9" * 5000], "…is not a valid value for top: it must be 1 to 1000"),
        (["tune", "--repeats", "many"], "'many' is not a valid value for repeats: it must be a whole number, "),
        (["tour", "--seed", "x"], "'x' is not a valid value for seed: it must be a whole number, "),
        (["attack", "--eps", "eight"], "'eight' is not a valid value for eps: it must be a number, "),
        (["predict", "--fit", "crup"], "'crup' is not a valid value for fit; did you mean 'crop'?"),
        (["predict", "--head", "hard"], "'hard' is not a valid value for head; there are softmax, sigmoid"),
        (["visualize", "conv1:0", "--preset", "bset"], "'bset' is not a valid value for preset; did you mean 'best'"),
        (["visualize", ""], "what was given as UNIT... is empty"),
        (["visualize", "conv1:0", ""], "what was given as UNIT... is empty"),
        (["predict", "--net", " "], "what was given as --net is empty"),
        (["predict", "--weights", ""], "what was given as --weights is empty"),
        (["dream", "--layer", ""], "what was given as --layer is empty"),
        (["attribute", "--method", ""], "what was given as --method is empty"),
        (["visualize", "conv1:0", "--judge", ""], "what was given as --judge is empty"),
        (["predict", "--out", ""], "what was given as --out is empty"),
        (["replay", ""], "what was given as PICTURE is empty"),
        (["tour", "--beside", ""], "what was given as --beside is empty"),
    ],
)
def test_what_cannot_be_read_is_one_sentence_in_our_words(words, said, run):
    answer = is_one_sentence(*run(*words))
    start, _, end = said.partition("…")
    assert answer.startswith(start) and answer.endswith(end)
    assert len(answer) < 300


def test_help_is_had_in_every_usual_way(run):
    whole, predict = run("--help")[1], run("predict", "--help")[1]
    assert "Commands:" in whole and "--top" in predict
    assert run("-h") == run("help") == run("help", "help") == (0, whole, "")
    assert run("predict", "-h") == run("help", "predict") == (0, predict, "")
    code, out, err = run()
    assert (code, out) == (2, "") and err.strip() == whole.strip()
