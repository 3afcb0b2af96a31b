from __future__ import annotations

import pytest

from presage_training.report.writing import arriving_folder, check_place


def test_a_folder_arrives_whole(tmp_path):
    final = tmp_path / "deep" / "run"
    with arriving_folder(final) as folder:
        (folder / "page").write_text("words")
        assert not final.exists()

    assert [path.name for path in final.parent.iterdir()] == ["run"]
    assert (final / "page").read_text() == "words"


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, ValueError])
def test_whatever_ends_it_early_leaves_nothing(tmp_path, error):
    def write_half():
        with arriving_folder(tmp_path / "deep" / "run") as folder:
            (folder / "page").write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert not list(tmp_path.iterdir())


def test_a_place_is_checked_without_a_trace(tmp_path):
    check_place(tmp_path / "deep" / "run")
    assert not list(tmp_path.iterdir())

    (tmp_path / "file").write_text("precious")
    for place in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(NotADirectoryError) as refused:
            check_place(place)
        assert refused.value.filename == str(place)
        with pytest.raises(NotADirectoryError), arriving_folder(place, overwrite=True):
            pass
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]


def test_what_was_there_stays_until_the_new_one_is_done(tmp_path):
    final = tmp_path / "run"
    final.mkdir()
    (final / "old").touch()
    with pytest.raises(KeyboardInterrupt), arriving_folder(final, overwrite=True):
        raise KeyboardInterrupt
    assert [path.name for path in final.iterdir()] == ["old"]

    with arriving_folder(final, overwrite=True) as folder:
        (folder / "new").touch()
    assert [path.name for path in final.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_nothing_that_holds_something_is_replaced_unasked(tmp_path):
    final = tmp_path / "run"

    def write_while_another_does():
        with arriving_folder(final) as folder:
            (folder / "new").touch()
            final.mkdir()
            (final / "precious").touch()

    with pytest.raises(OSError, match="not empty"):
        write_while_another_does()
    assert [path.name for path in final.iterdir()] == ["precious"]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
