"""A copy of the program to which something is added, and how it is asked about it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests.small import SOURCE

ROOT = Path(__file__).parents[2]
ADDED = Path(__file__).with_name("added")


RUN = """
import contextlib, io, json, shlex, sys
from phosphene.faces.cli.main import main

said = []
for command in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        try:
            exec(command[2:]) if command.startswith(">") else main(shlex.split(command))
        except SystemExit as left:
            print(f"exit code {left.code}" if left.code else "", end="")
    said.append(out.getvalue())
print(json.dumps(said))
"""


class House:
    """A copy of src/phosphene in a folder of its own, with a network and a photograph beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.package = folder, folder / "src" / "phosphene"
        weights = shutil.ignore_patterns("__pycache__", "*.safetensors")
        shutil.copytree(ROOT / "src" / "phosphene", self.package, ignore=weights)
        shutil.copy(ROOT / "pyproject.toml", folder)
        (folder / "own.py").write_text(SOURCE)
        pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "cat.png")
        self.before = self.files()

    def files(self) -> dict[str, bytes]:
        """Every file of the program, pyproject.toml too."""
        every = [self.folder / "pyproject.toml", *self.package.rglob("*.py")]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in every}

    def touched(self) -> set[str]:
        """The files that are new or other than they were."""
        return {name for name, data in self.files().items() if self.before.get(name) != data}

    def row(self, text: str) -> None:
        """Add a row at the end of the catalogue's table."""
        catalogue = self.package / "catalogue.py"
        table, end = catalogue.read_text().split(")  # fmt: skip\n", 1)
        catalogue.write_text(f"{table}    {text},\n)  # fmt: skip\n{end}")

    def run(self, *commands: str) -> list[str]:
        """What each of these command lines, or lines of Python that begin with "> ", says; all in one fresh process."""
        return list(json.loads(self._ran(sys.executable, "-c", RUN, *commands).splitlines()[-1]))

    def lint(self) -> str:
        """What import-linter says about the directions of import; fails where one is broken."""
        return self._ran(str(Path(sys.executable).with_name("lint-imports")), "--no-cache")

    def _ran(self, *command: str) -> str:
        environment = {"PYTHONPATH": str(self.folder / "src"), "OMP_NUM_THREADS": "1", "PATH": "", "HOME": "/nowhere",
                       "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr
