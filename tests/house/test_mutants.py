"""What `make mutants` asks, without asking it: that takes minutes."""

import json
import tomllib

from tests.house import mutants


def test_each_module_is_put_before_its_own_tests_alone():
    for module in mutants.MODULES:
        asked = tomllib.loads(mutants.settings(module))
        (source,), (tests,) = (
            asked["tool"]["mutmut"][key] for key in ("only_mutate", "pytest_add_cli_args_test_selection")
        )
        assert (mutants.ROOT / source).is_file() and (mutants.ROOT / tests).is_file()
        options = asked["tool"]["pytest"]["ini_options"]
        assert "--import-mode=importlib" in options["addopts"] and options["pythonpath"] == [".", "src"]
    assert len(set(mutants.MODULES)) == 10


def test_a_module_is_asked_again_when_it_or_its_tests_have_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    monkeypatch.setattr(mutants, "PLACE", tmp_path / ".mutants")
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = []\n")
    for path in ("src/phosphene/core/one.py", "tests/core/test_one.py"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    place = mutants.prepared("core/one")
    (place / "answers").touch()
    assert (mutants.prepared("core/one") / "answers").exists()
    (tmp_path / "tests/core/test_one.py").write_text("# stricter\n")
    assert not (mutants.prepared("core/one") / "answers").exists()
    assert (place / "tests/core/test_one.py").read_text() == "# stricter\n"


def test_what_was_being_asked_when_a_run_was_stopped_is_asked_again(tmp_path):
    meta = tmp_path / "one.py.meta"
    meta.write_text(json.dumps({"exit_code_by_key": {"killed": 1, "alive": 0, "stopped": 2, "new": None}, "more": 3}))
    mutants.asked_again(meta)
    ends = {"killed": 1, "alive": 0, "stopped": None, "new": None}
    assert json.loads(meta.read_text()) == {"exit_code_by_key": ends, "more": 3}
