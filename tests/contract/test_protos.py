"""The contracts themselves: every part has a comment, names keep to the rules, and the stubs say the same."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from google.protobuf import descriptor_pb2
from grpc_tools import protoc

from presage.v1 import event_pb2, model_service_pb2, prediction_pb2, ranking_service_pb2, scoring_service_pb2

PROTO = Path(__file__).parents[2] / "proto"
STUBS = (event_pb2, model_service_pb2, prediction_pb2, ranking_service_pb2, scoring_service_pb2)

# Field numbers within descriptor.proto, of which the paths of comments are made.
MESSAGES, ENUMS, SERVICES, FIELDS, VALUES, METHODS = 4, 5, 6, 2, 2, 2


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[descriptor_pb2.FileDescriptorProto]:
    """The contracts as protoc reads them, comments included."""
    out = tmp_path_factory.mktemp("descriptors") / "set.pb"
    sources = [str(path) for path in sorted(PROTO.rglob("*.proto"))]
    arguments = ["protoc", f"-I{PROTO}", "--include_source_info", f"--descriptor_set_out={out}", *sources]
    assert protoc.main(arguments) == 0
    return list(descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file)


def parts(file: descriptor_pb2.FileDescriptorProto) -> dict[tuple[int, ...], str]:
    """Return the path and the name of every message, field, enum, value, service and method."""
    named = {}
    for kind, inner_kind, outers, inners in (
        (MESSAGES, FIELDS, file.message_type, "field"),
        (ENUMS, VALUES, file.enum_type, "value"),
        (SERVICES, METHODS, file.service, "method"),
    ):
        for position, outer in enumerate(outers):
            named[kind, position] = outer.name
            for inner_position, inner in enumerate(getattr(outer, inners)):
                named[kind, position, inner_kind, inner_position] = f"{outer.name}.{inner.name}"
    return named


def test_every_part_has_a_comment(files):
    undocumented = []
    for file in files:
        commented = {tuple(one.path) for one in file.source_code_info.location if one.leading_comments.strip()}
        undocumented += [name for path, name in parts(file).items() if path not in commented]
    assert undocumented == []
    assert sum(len(parts(file)) for file in files) > 100


def test_the_zero_value_of_an_enum_is_unspecified(files):
    zeros = {enum.name: enum.value[0] for file in files for enum in file.enum_type}
    assert {name: (zero.name, zero.number) for name, zero in zeros.items()} == {
        "EventType": ("EVENT_TYPE_UNSPECIFIED", 0),
        "Device": ("DEVICE_UNSPECIFIED", 0),
        "Exclusion": ("EXCLUSION_UNSPECIFIED", 0),
        "Intent": ("INTENT_UNSPECIFIED", 0),
        "ItemSource": ("ITEM_SOURCE_UNSPECIFIED", 0),
        "Arm": ("ARM_UNSPECIFIED", 0),
        "ModelKind": ("MODEL_KIND_UNSPECIFIED", 0),
        "VersionState": ("VERSION_STATE_UNSPECIFIED", 0),
    }


def test_every_call_has_a_request_and_a_response_of_its_own(files):
    services = [service for file in files for service in file.service]
    assert {service.name: [method.name for method in service.method] for service in services} == {
        "ModelService": ["ListModels", "GetModel", "SetAliases", "Explain"],
        "RankingService": ["Rank", "NextItems", "SimilarItems", "UpsertItems", "ListItems"],
        "ScoringService": ["TrackEvent", "TrackEvents", "Score", "ScoreBatch", "ScoreVectors", "GetFeatures"],
    }
    for method in (method for service in services for method in service.method):
        assert method.input_type == f".presage.v1.{method.name}Request"
        assert method.output_type == f".presage.v1.{method.name}Response"


def test_other_languages_get_packages_and_classes(files):
    """As buf's lint wants: every file of a package names the same packages, and a class of its own."""
    for file in files:
        options = file.options
        assert (options.go_package, options.java_package) == ("presage/v1;presagev1", "com.presage.v1")
        stem = PurePosixPath(file.name).stem
        assert options.java_multiple_files
        assert options.java_outer_classname == f"{stem.title().replace('_', '')}Proto"


def test_times_say_their_unit(files):
    fields = [field.name for file in files for message in file.message_type for field in message.field]
    assert [name for name in fields if "time" in name.split("_") and not name.endswith("_micros")] == []


def test_the_stubs_say_what_the_contracts_say(files):
    for file in files:
        (stub,) = [stub for stub in STUBS if stub.DESCRIPTOR.name == file.name]
        committed = descriptor_pb2.FileDescriptorProto()
        stub.DESCRIPTOR.CopyToProto(committed)
        for descriptor in (file, committed):
            descriptor.ClearField("source_code_info")
            for message in descriptor.message_type:
                for each in (message, *message.nested_type):  # maps are nested messages
                    for field in each.field:
                        field.ClearField("json_name")
        assert committed == file
