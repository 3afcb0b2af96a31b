from __future__ import annotations

from pathlib import Path

import pytest

from presage_training.project.scaffold import FILES, commands, project_name, write_project


@pytest.mark.parametrize(
    ("folder", "name"), [("my shop", "my-shop"), (".hidden", "hidden"), ("Größe", "Gr-e"), ("店", "shop"), ("x" * 99, "x" * 64),
     ("conversion", "conversion-shop"), ("core", "core-shop"), ("rfm", "rfm-shop"), ("behavior", "behavior-shop")]
)  # fmt: skip
def test_the_name_is_one_that_a_model_may_have(tmp_path, folder, name):
    assert project_name(tmp_path / folder) == name


def test_no_file_is_replaced(tmp_path):
    folder = tmp_path / "deep" / "shop"
    assert write_project(folder) == (list(FILES), [])
    assert not [path for path in folder.iterdir() if "@" in path.read_text().replace("@feature", "")]

    (folder / "features.toml").write_text("mine")
    (folder / "features.py").unlink()
    written, kept = write_project(folder, mapping="proposed")

    assert (written, kept) == (["features.py"], [name for name in FILES if name != "features.py"])
    assert (folder / "features.toml").read_text() == "mine"
    assert (folder / "mapping.toml").read_text() != "proposed"


def test_the_commands_are_quoted():
    assert commands(Path("my shop"), Path("logs/*.csv")) == (
        "presage train 'logs/*.csv' --project 'my shop' --to runs/first --bundle models/my-shop/1",
        "presage serve --project 'my shop' --models models --default-model my-shop",
    )
    assert commands(Path("shop"), None)[0] == "presage inspect LOG --to shop/mapping.toml --force"
