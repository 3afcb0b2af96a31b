from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile

import pyarrow as pa
import pytest

from presage_training.errors import LogFormatError
from presage_training.readers import ReadProgress, SkippedRows
from presage_training.readers.files.layout import FileLayout
from presage_training.readers.files.opening import guess_encoding, open_binary, open_utf8
from presage_training.readers.files.tables import FileKind, column_names, file_kind, file_stem, read_batches

TEXT = "name;price\n" + "Möbel und groß;1\n" * 5_000


def compress(path, content):
    """Write a file, compressed as its name says."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("__MACOSX/._log.csv", "note")
            archive.writestr("folder/log.csv", content)
    elif path.suffix == ".zst":
        with pa.CompressedOutputStream(str(path), "zstd") as file:
            file.write(content)
    else:
        functions = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
        path.write_bytes(functions.get(path.suffix, bytes)(content))
    return path


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.bz2", ".csv.xz", ".csv.zst", ".zip"])
def test_compressed_files_are_read_like_others(tmp_path, suffix):
    path = compress(tmp_path / f"log{suffix}", TEXT.encode())
    progress = ReadProgress()
    rows = [
        row
        for batch in read_batches(
            path, ["price", "name"], skipped=SkippedRows(), progress=progress, layout=FileLayout()
        )
        for row in zip(*batch.columns, strict=True)
    ]

    assert rows == [("1", "Möbel und groß")] * 5_000
    assert progress.share == (pytest.approx(1.0, abs=0.01) if suffix == ".zip" else 1.0)
    assert file_kind(path) is FileKind.TEXT
    assert file_stem(path) == "log"


@pytest.mark.parametrize("suffix", [".csv.gz", ".csv.xz", ".zip"])
def test_a_damaged_file_is_refused_by_name(tmp_path, suffix):
    path = compress(tmp_path / f"log{suffix}", "".join(f"{number};{number}\n" for number in range(99_999)).encode())
    path.write_bytes(path.read_bytes()[:-200])

    with pytest.raises(LogFormatError, match=rf"log{suffix}: cannot be unpacked"):
        list(read_batches(path, ["0"], skipped=SkippedRows(), layout=FileLayout()))


def test_a_zip_of_several_files_says_what_to_do(tmp_path):
    with zipfile.ZipFile(tmp_path / "log.zip", "w") as archive:
        archive.writestr("a.csv", "a")
        archive.writestr("b.csv", "b")

    with pytest.raises(
        LogFormatError, match=r"log\.zip: holds 2 files, expected one\. Name one, as .*log\.zip/a\.csv\."
    ):
        file_kind(tmp_path / "log.zip")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("given", [False, True])
def test_any_encoding_becomes_utf_8(tmp_path, encoding, given):
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress(TEXT.encode(encoding)))

    with open_utf8(path, encoding if given else "") as file:
        assert file.read().decode("utf-8-sig") == TEXT
    assert column_names(path, FileLayout(encoding=encoding if given else "")) == ["name", "price"]


def test_a_character_at_the_end_of_the_sample_is_not_taken_for_another_encoding():
    assert guess_encoding("ä".encode()[:1]) == "utf-8"
    assert guess_encoding("ä b".encode("latin-1")) == "cp1252"
    assert guess_encoding(b"\x81 b") == "latin-1"


def test_a_file_is_closed_with_its_content(tmp_path):
    path = compress(tmp_path / "log.csv.bz2", b"a")
    file = open_binary(path)
    file.close()

    assert file.closed
    assert file.fileobj.closed


@pytest.mark.parametrize(("content", "kind"), [('{"a": 1}', FileKind.JSON), ("a|b", FileKind.TEXT)])
def test_vague_names_are_decided_by_the_content(tmp_path, content, kind):
    (tmp_path / "log.txt").write_text(content)

    assert file_kind(tmp_path / "log.txt") is kind


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_guessed(tmp_path, separator):
    path = tmp_path / "log.csv"
    for before in ("", f"sep={separator}\n"):
        path.write_text(f'{before}a{separator}b c\n1{separator}"2,|;"\n')

        assert column_names(path, FileLayout()) == ["a", "b c"]
        [batch] = read_batches(path, ["b c"], skipped=SkippedRows(), layout=FileLayout())
        assert list(batch.columns[0]) == ["2,|;"]
