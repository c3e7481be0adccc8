"""The example notebook: it runs from top to bottom, and every cell that should show a picture shows one."""

import json
from pathlib import Path

import pytest

import phosphene

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "what_a_network_sees.ipynb"


def code(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_it_is_kept_without_outputs():
    cells = code(json.loads(EXAMPLE.read_text(encoding="utf-8")))
    assert cells
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)


@pytest.mark.slow
def test_it_runs_and_shows_a_picture_wherever_a_recipe_stands_last(tmp_path, monkeypatch):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(EXAMPLE, as_version=4)
    monkeypatch.setenv("PYTHONPATH", str(Path(phosphene.__file__).parents[1]))  # the kernel runs what is tested
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # where other tests run, two threads wait for one another for minutes
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    recipes = 0
    for cell in code(notebook):
        assert all(output["output_type"] != "error" for output in cell["outputs"]), cell["source"]
        if cell["source"].splitlines()[-1].startswith("phosphene."):
            recipes += 1
            (shown,) = cell["outputs"]  # what grew is one output, and now it is the figure
            assert "image/png" in shown["data"] and "text/html" not in shown["data"], cell["source"]
    assert recipes >= 9
