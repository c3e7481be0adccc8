"""The layers as a tree: every name whole, what holds others above them, the same words in a pipe."""

import json
import os
import pty
import re
import subprocess
import sys

import pytest
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.faces.cli.tree import list_classes, list_layers, tree
from tests.small import LABELS, convnet


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU()

    def forward(self, x):
        return self.relu(self.conv(self.relu(self.conv(x))) + x)


def nested():
    return Network(nn.Sequential(Block(), nn.Flatten(), nn.Linear(3 * 64, 2)), size=8)


def test_a_holder_stands_above_what_it_holds_where_the_first_of_them_runs():
    assert list(tree(["a.x", "a.y.z", "a.y", "a.x#2", "a", "b"])) == [
        ("a", 0), ("a.x", 1), ("a.y", 1), ("a.y.z", 2), ("a.x#2", 1), ("b", 0),
    ]  # fmt: skip


def test_every_layer_is_printed_once_by_its_whole_name(capsys):
    network = nested()
    list_layers(network)
    head, titles, *lines = capsys.readouterr().out.splitlines()
    assert head == "Sequential: 8 x 8 px, no other size; 2 logits; 470 parameters"
    assert titles.split() == ["layer", "kind", "shape", "a", "position", "sees", "parameters"]
    assert sorted(line.split()[0] for line in lines) == sorted(network.layers)
    assert [line.split("  Conv2d")[0].rstrip() for line in lines if "Conv2d" in line] == ["  0.conv", "  0.conv#2"]
    assert all(line == line.rstrip() for line in lines)


def test_what_was_learnt_is_told_once_for_a_module_that_is_called_twice(capsys):
    list_layers(nested(), as_json=True)
    counts = {row["name"]: row["parameters"] for row in json.loads(capsys.readouterr().out)}
    assert counts["0"] == counts["0.conv"] == 84
    assert counts["0.conv#2"] == counts["0.relu"] == counts["0.add"] == 0
    assert counts["2"] == 386


def test_classes_are_listed_by_number_and_name(capsys):
    list_classes(convnet())
    assert capsys.readouterr().out.splitlines()[1:3] == ["1  zebra", "2  crane, wading bird"]
    list_classes(convnet(), as_json=True)
    assert json.loads(capsys.readouterr().out) == LABELS
    with pytest.raises(Mistake, match="has no names for its classes; their numbers are 0 to 3"):
        list_classes(convnet(labels=None))


def test_a_shared_module_says_its_other_names(capsys):
    same = nn.Conv2d(3, 3, 1)
    list_layers(Network(nn.Sequential(same, nn.ReLU(), same, nn.Flatten(), nn.Linear(192, 2)), size=8))
    assert re.search(r"^0 +Conv2d, also 2 ", capsys.readouterr().out, re.MULTILINE)


def test_the_names_of_a_strangers_classes_do_nothing_to_the_terminal(capsys):
    hostile = type("\x1b[2J\u202e", (nn.ReLU,), {})()
    list_layers(Network(nn.Sequential(nn.Conv2d(3, 3, 1), hostile, nn.Flatten(), nn.Linear(192, 2)), size=8))
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable() and r"\x1b[2J\u202e" in out


def test_json_keeps_the_order_of_execution(capsys):
    network = convnet()
    list_layers(network, as_json=True)
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(network.layers)
    assert set(rows[0]) == {"name", "kind", "shape", "channel_axis", "channels", "receptive_field", "parameters"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")
def test_a_narrow_terminal_gets_every_name_whole_and_the_rest_below_it():
    code = "from tests.faces.cli.test_tree import nested, list_layers; list_layers(nested())"
    outer, inner = pty.openpty()
    environment = {**os.environ, "COLUMNS": "40", "TERM": "xterm", "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=inner, stderr=inner, env=environment) as process:
        os.close(inner)
        shown = b""
        try:
            while part := os.read(outer, 4096):
                shown += part
        except OSError:  # how Linux says that the other end is closed
            pass
    assert process.returncode == 0, shown
    lines = re.sub(r"\x1b\[[\d;]*m", "", shown.decode()).replace("\r", "").splitlines()
    at = lines.index("  0.conv#2")
    assert lines[at + 1] == "    Conv2d, 3 x 8 x 8, 5 px every 1"
