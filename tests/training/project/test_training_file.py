from __future__ import annotations

import pytest

from presage_training.errors import ProjectError
from presage_training.project.training_file import read_training_file


@pytest.fixture
def read(tmp_path):
    def read(text: str | bytes):
        path = tmp_path / "training.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_training_file(path)

    return read


def test_it_reads_the_options_by_name(read):
    text = 'target = "purchase-within:7"\nknown_only = true\nmodels = ["stacking", "xgboost-classifier"]\ndraws = 100\n'

    assert read(text) == {
        "target": "purchase-within:7",
        "known_only": True,
        "models": "stacking,xgboost-classifier",
        "draws": 100,
    }
    assert read('models = "stacking"') == {"models": "stacking"}


def test_without_the_file_nothing_is_said(tmp_path):
    assert read_training_file(tmp_path / "training.toml") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('tragte = "revenue-within:7"', "unknown key 'tragte'; is 'target' meant?"),
        ("known-only = true", "unknown key 'known-only'; is 'known_only' meant?"),
        ("zzz = 1", "unknown key 'zzz'; expected some of target, decisions,"),
        ("target = 7", "target: expected text in quotes, got 7"),
        ("draws = true", "draws: expected a whole number, got True"),
        ("sort = 1", "sort: expected true or false, got 1"),
        ("models = [1]", "models: expected text in quotes, got [1]"),
        ("target = ", "not a readable TOML file"),
        (b"\xff", "not a readable TOML file"),
    ],
)
def test_what_is_wrong_is_named(read, tmp_path, text, message):
    with pytest.raises(ProjectError) as rejected:
        read(text)

    assert str(rejected.value).startswith(f"{tmp_path / 'training.toml'}: ")
    assert message in str(rejected.value)
