"""Pages of the gRPC contract: what ``proto/`` declares, with its comments, as the compiler reads them."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

from website.repository import ROOT

FOLDER: Final = "reference/contract"

_PROTOS: Final = "presage/v1"
_MESSAGE, _ENUM, _SERVICE = 4, 5, 6  # the numbers of FileDescriptorProto's fields, of which paths to comments are made
_FIELD, _VALUE, _METHOD = 2, 2, 2


def contract_pages() -> dict[str, str]:
    """Return a page for each file of the contract, by its place in the site."""
    files = _read_descriptors()
    pages = {
        f".{file.package}.{declared}": _stem(file)
        for file in files
        for declared in [*(message.name for message in file.message_type), *(enum.name for enum in file.enum_type)]
    }
    return {f"{FOLDER}/{_stem(file)}.md": _page(file, pages) for file in files}


def _read_descriptors() -> list[FileDescriptorProto]:
    sources = sorted(str(path.relative_to(ROOT / "proto")) for path in (ROOT / "proto" / _PROTOS).glob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "contract"
        command = [sys.executable, "-m", "grpc_tools.protoc", "-I", "proto", "--include_source_info"]
        subprocess.run([*command, f"--descriptor_set_out={written}", *sources], cwd=ROOT, check=True)  # noqa: S603
        return list(FileDescriptorSet.FromString(written.read_bytes()).file)


def _page(file: FileDescriptorProto, pages: Mapping[str, str]) -> str:
    comments = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
    source = f"[`proto/{file.name}`](../../../proto/{file.name})"
    parts = [f"# {Path(file.name).name}", f"{source} declares, in the package `{file.package}`:"]
    for number, service in enumerate(file.service):
        parts += [f"## {service.name}", _prose(comments[_SERVICE, number])]
        rows = [
            (
                f"`{method.name}`",
                _type(method.input_type, pages, file),
                _type(method.output_type, pages, file),
                comments[_SERVICE, number, _METHOD, place],
            )
            for place, method in enumerate(service.method)
        ]
        parts.append(_table(("method", "request", "response", "meaning"), rows))
    for number, message in enumerate(file.message_type):
        parts += [f"## {message.name}", _prose(comments[_MESSAGE, number])]
        fields = list(_fields(message, (_MESSAGE, number), comments, pages, file))
        parts.append(_table(("field", "number", "type", "meaning"), fields) if fields else "It has no fields.")
    for number, enum in enumerate(file.enum_type):
        parts += [f"## {enum.name}", _prose(comments[_ENUM, number])]
        values = [
            (f"`{value.name}`", str(value.number), comments[_ENUM, number, _VALUE, place])
            for place, value in enumerate(enum.value)
        ]
        parts.append(_table(("name", "number", "meaning"), values))
    return "\n\n".join(parts) + "\n"


def _fields(
    message: DescriptorProto,
    path: tuple[int, ...],
    comments: Mapping[tuple[int, ...], str],
    pages: Mapping[str, str],
    file: FileDescriptorProto,
) -> Iterator[tuple[str, ...]]:
    for place, field in enumerate(message.field):
        yield (
            f"`{field.name}`",
            str(field.number),
            _field_type(field, message, pages, file),
            comments[*path, _FIELD, place],
        )


def _field_type(
    field: FieldDescriptorProto, message: DescriptorProto, pages: Mapping[str, str], file: FileDescriptorProto
) -> str:
    for entry in message.nested_type:
        if entry.options.map_entry and field.type_name.endswith(f".{message.name}.{entry.name}"):
            key, value = (_field_type(part, entry, pages, file) for part in entry.field)
            return f"map of {key} to {value}"
    if field.type_name:
        written = _type(field.type_name, pages, file)
    else:
        written = f"`{FieldDescriptorProto.Type.Name(field.type).removeprefix('TYPE_').lower()}`"
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"repeated {written}"
    if field.proto3_optional:
        return f"optional {written}"
    if field.HasField("oneof_index"):
        return f"one of `{message.oneof_decl[field.oneof_index].name}`: {written}"
    return written


def _type(name: str, pages: Mapping[str, str], file: FileDescriptorProto) -> str:
    short = name.rpartition(".")[2]
    page = pages[name]
    where = "" if page == _stem(file) else f"{page}.md"
    return f"[{short}]({where}#{short.lower()})"


def _stem(file: FileDescriptorProto) -> str:
    return Path(file.name).stem


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *((*row[:-1], _prose(row[-1])) for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _prose(comment: str) -> str:
    """Return a comment as one line of Markdown."""
    return re.sub(r"[|<*]", lambda sign: f"\\{sign[0]}", " ".join(comment.split()))
