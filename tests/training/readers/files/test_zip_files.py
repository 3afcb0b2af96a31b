from __future__ import annotations

import gzip
import zipfile

import pytest
from training.commands.running import run_here

from presage_training.errors import LogFormatError
from presage_training.readers import LogFormat, ReadProgress, SkippedRows, read_events
from presage_training.readers.files.opening import open_binary
from presage_training.readers.log_files import log_parts

LINE = b'{"type": "LOGIN", "user_id": "ann", "event_time_unix_micros": 1}\n'


@pytest.fixture
def archive(tmp_path):
    """A zip of two days, one of them compressed again, with files that are no log."""
    path = tmp_path / "logs.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("days/2.jsonl.gz", gzip.compress(LINE * 2))
        file.writestr("days/1.jsonl", LINE)
        file.writestr("README.txt", "days")
        file.writestr("__MACOSX/._1.jsonl", "note")
    return path


def ids(path):
    return [event.event_id for event in read_events(path, LogFormat.PRESAGE, skipped=SkippedRows())]


def test_a_zip_of_several_files_is_like_a_folder(archive):
    progress = ReadProgress()
    events = list(read_events(archive, LogFormat.PRESAGE, skipped=SkippedRows(), progress=progress))

    assert [event.event_id for event in events] == ["days/1:1", "days/2:1", "days/2:2"]
    assert 0.5 < progress.share <= 1.0


def test_one_file_of_a_zip_is_a_log(archive):
    assert ids(archive / "days" / "1.jsonl") == ["1:1"]
    assert [part.stem for part in log_parts(archive / "days" / "*.jsonl*")] == ["1", "2"]
    assert [part.stem for part in log_parts(archive.parent)] == ["logs.zip/days/1", "logs.zip/days/2"]


def test_a_file_that_a_zip_does_not_have_is_named(archive):
    with pytest.raises(
        LogFormatError, match=r"logs\.zip: holds no file 'days/3\.jsonl'\. It holds README\.txt, days/1"
    ):
        ids(archive / "days" / "3.jsonl")


def test_a_zip_without_a_log_says_what_was_expected(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("1.png", "")
        file.writestr("2.png", "")

    with pytest.raises(LogFormatError, match=r"a\.zip: holds no log\. Expected files that end with \.parquet"):
        log_parts(tmp_path / "a.zip")


def test_the_zip_is_closed_with_its_file(archive):
    file = open_binary(archive / "days" / "2.jsonl.gz")
    assert file.read() == LINE * 2
    file.close()

    assert file.fileobj.closed


def damaged(path, how, name):
    """Write a zip of one file that cannot be read: encrypted, of an unknown method, or with another checksum."""
    header, line = b"user,time,event\n", b"ann,2024-05-01 10:00:00,view\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        file.writestr(name, LINE * 50 if "json" in name else header + line * 50)
    content = bytearray(path.read_bytes())
    local, central = content.index(b"PK\x03\x04"), content.index(b"PK\x01\x02")
    if how == "encrypted":
        content[local + 6] |= 1
        content[central + 8] |= 1
    elif how == "method":
        content[local + 8] = content[central + 10] = 97
    else:
        content[local + 200] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl", "log", "log.txt"])
@pytest.mark.parametrize("how", ["encrypted", "method", "checksum"])
def test_a_zip_that_cannot_be_unpacked_is_named(tmp_path, monkeypatch, capsys, how, name):
    damaged(tmp_path / "a.zip", how, name)
    (tmp_path / "mapping.toml").write_text('[columns]\nuser_id = "user"\nevent_time = "time"\nevent_type = "event"\n')
    monkeypatch.chdir(tmp_path)

    for arguments in (("inspect", "a.zip"), ("train", "a.zip", "--mapping", "mapping.toml", "--to", "run")):
        done = run_here(monkeypatch, capsys, *arguments)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"presage {arguments[0]}: a.zip: cannot be unpacked (")
        assert done.err.count("\n") == 1
    with pytest.raises(LogFormatError, match=r"a\.zip: cannot be unpacked"):
        ids(tmp_path / "a.zip")
