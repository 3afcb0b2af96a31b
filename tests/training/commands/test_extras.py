"""What is not installed is stood in for by a module finder that finds it missing, in a process of its own."""

from __future__ import annotations

import pytest
from training.commands.running import run, run_here


@pytest.fixture
def without(tmp_path):
    """Return a function from the names of libraries to variables under which they are not installed."""

    def variables(*libraries: str) -> dict[str, str]:
        (tmp_path / "sitecustomize.py").write_text(
            "import sys\n"
            "class Missing:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            f"        if name.partition('.')[0] in {libraries!r}:\n"
            "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
            "sys.meta_path.insert(0, Missing())\n"
        )
        return {"PYTHONPATH": str(tmp_path)}

    return variables


def test_help_lists_the_commands_in_the_order_of_use():
    done = run("--help")
    listed = [line.split()[1] for line in done.out.partition("Commands")[2].splitlines() if line.startswith("│ ")]

    assert (done.code, done.err) == (0, "")
    assert listed == [
        "serve",
        "demo",
        "init",
        "inspect",
        "replay",
        "items",
        "archive",
        "backfill",
        "forget",
        "audit",
        "train",
        "evaluate",
        "rank",
        "learn",
        "models",
        "drift",
        "console",
        "health",
        "tokens",
        "doctor",
        "version",
    ]


@pytest.mark.parametrize("name", ["train", "replay", "demo", "init", "inspect", "evaluate", "rank", "audit", "learn"])
def test_each_command_explains_itself(monkeypatch, capsys, name):
    done = run_here(monkeypatch, capsys, name, "--help")

    assert (done.code, done.err) == (0, "")
    assert "Usage: presage" in done.out


@pytest.mark.parametrize("library", ["lightgbm", pytest.param("onnx", marks=pytest.mark.slow)])
def test_training_without_its_extra_says_what_to_install(without, tmp_path, library):
    done = run("train", "--simulate", "--to", tmp_path / "run", **without(library))

    assert (done.code, done.out) == (2, "")
    assert done.err == f"presage: this command needs {library}: pip install 'presage-scoring[train]'\n"
    assert not (tmp_path / "run").exists()


def test_replaying_without_its_extra_says_what_to_install(without):
    done = run("replay", "log.parquet", "--format", "rees46", **without("pyarrow"))

    assert done.code == 2
    assert done.err == "presage: this command needs pyarrow: pip install 'presage-scoring[train]'\n"


@pytest.mark.slow
def test_the_demo_needs_no_extra_but_the_servers(without):
    """`make demo` installs no more."""
    libraries = "lightgbm", "onnx", "pyarrow", "sklearn", "xgboost", "pandas", "scipy"
    done = run("demo", "--seconds", 1, **without(*libraries))

    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("library", ["lightgbm", "pyarrow"])
def test_help_needs_no_extra(without, library):
    assert run("--help", **without(library)) == run("--help")
