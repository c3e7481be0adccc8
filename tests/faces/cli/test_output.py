"""What is said beside the results."""

from phosphene.faces.cli.output import error, note


def test_what_is_said_is_a_line_on_the_standard_error_as_it_is(capsys):
    error("[red] is no colour here: " + "x" * 300)
    note("nor [here]")
    note("nothing", quiet=True)
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"error: [red] is no colour here: {'x' * 300}\nnor [here]\n")
