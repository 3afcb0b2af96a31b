"""The part of the Open Inference Protocol (V2) over gRPC that a call with raw tensors needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from benchmarks.peers.dataset import Sample
from benchmarks.peers.peer import Case, Protocol, Task

__all__ = ["INPUT", "MODEL", "infer_case"]

MODEL = "conversion"
"""What servers of the protocol call the model."""
INPUT = "features"
"""What its input is called: float32 [N, 20]."""

_PACKAGE = "inference"
# The protocol's own numbers; the fields that are missing here are optional.
_FIELDS: dict[str, tuple[tuple[str, int, str, bool], ...]] = {
    "InferInputTensor": (("name", 1, "string", False), ("datatype", 2, "string", False), ("shape", 3, "int64", True)),
    "ModelInferRequest": (
        ("model_name", 1, "string", False),
        ("inputs", 5, "InferInputTensor", True),
        ("raw_input_contents", 7, "bytes", True),
    ),
    "InferTensorContents": (("fp32_contents", 6, "float", True), ("fp64_contents", 7, "double", True)),
    "InferOutputTensor": (
        ("name", 1, "string", False),
        ("datatype", 2, "string", False),
        ("contents", 5, "InferTensorContents", False),
    ),
    "ModelInferResponse": (("outputs", 5, "InferOutputTensor", True), ("raw_output_contents", 6, "bytes", True)),
}


def _messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="peers_open_inference.proto", package=_PACKAGE, syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, label=label)
            if kind in _FIELDS:
                added.type, added.type_name = kinds.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                added.type = kinds.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _FIELDS}


_MESSAGES = _messages()


def infer_case(*, differs: str = "") -> Case:
    """ModelInfer with one row."""
    return Case(
        task=Task.VECTOR,
        protocol=Protocol.GRPC,
        path="/inference.GRPCInferenceService/ModelInfer",
        encode=_encode,
        decode=_decode,
        differs=differs,
    )


def _encode(sample: Sample) -> bytes:
    tensor = _MESSAGES["InferInputTensor"](name=INPUT, datatype="FP32", shape=sample.rows.shape)
    request = _MESSAGES["ModelInferRequest"](
        model_name=MODEL, inputs=[tensor], raw_input_contents=[sample.rows.astype("<f4").tobytes()]
    )
    return bytes(request.SerializeToString())


def _decode(answer: bytes) -> Sequence[float]:
    response = _MESSAGES["ModelInferResponse"].FromString(answer)
    (output,) = response.outputs
    if response.raw_output_contents:
        kind = {"FP32": "<f4", "FP64": "<f8"}[output.datatype]
        return [float(value) for value in np.frombuffer(response.raw_output_contents[0], kind)]
    return list(output.contents.fp32_contents or output.contents.fp64_contents)
