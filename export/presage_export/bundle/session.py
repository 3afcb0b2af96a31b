"""A model in ONNX Runtime, configured for small batches on the caller's thread."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from presage_export.errors import OnnxModelError

__all__ = ["OnnxModel"]

_LOG_FATAL = 4


class OnnxModel:
    """Computes margins of feature rows. Calls run on the caller's thread, take microseconds and are thread-safe.

    Args:
        model_bytes: A serialized ONNX ``ModelProto`` with one input ``float32 [N, F]`` and one output ``float32 [N, 1]``.

    Raises:
        OnnxModelError: ONNX Runtime rejects the bytes, or the input or the output is different.
    """

    __slots__ = ("_input_name", "_output_names", "_session", "feature_count")

    def __init__(self, model_bytes: bytes) -> None:
        try:
            self._session = onnxruntime.InferenceSession(
                model_bytes,
                _session_options(),
                providers=["CPUExecutionProvider"],
                enable_fallback=0,  # it would try once more with the same provider, and print that on standard output
            )
        except Exception as error:  # ONNX Runtime's errors share no narrower base
            raise OnnxModelError(f"ONNX Runtime refuses the model: {error}") from error
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise OnnxModelError(f"expected 1 input and 1 output, got {len(inputs)} and {len(outputs)}")
        try:
            self._input_name: str = inputs[0].name
            self._output_names: list[str] = [outputs[0].name]
            self.feature_count: int = _width("input", inputs[0])
            """F, the number of features per row."""
            width = _width("output", outputs[0])
        except UnicodeDecodeError as error:  # ONNX Runtime takes any bytes for a name
            raise OnnxModelError("a name of its input or output is no text") from error
        if width != 1:
            raise OnnxModelError(f"output: expected 1 margin per row, got {width}")

    def margins(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute raw margins, float32 ``[N]``.

        Args:
            rows: float32 ``[N, F]``; NaN only if the model was trained with missing values.

        Raises:
            ValueError: The rows have another dtype or shape.
        """
        try:
            outputs = self._session.run(self._output_names, {self._input_name: rows})
        except Exception as error:  # ONNX Runtime's errors share no narrower base
            raise ValueError(
                f"rows: expected float32 of shape [N, {self.feature_count}], got {rows.dtype} of shape {rows.shape}"
            ) from error
        return cast("NDArray[np.float32]", outputs[0][:, 0])


def _session_options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    # One thread means no pool; the idle threads of a pool would spin on the cores that serve calls.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Errors are raised; ONNX Runtime would print them as well, over many lines.
    options.log_severity_level = _LOG_FATAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Otherwise bytes in ONNX Runtime's own flatbuffer format would be loaded as that, and bypass the operator check.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return options


def _width(what: str, tensor: Any) -> int:
    """Return W of a ``tensor(float) [N, W]``."""
    shape = tensor.shape
    if tensor.type != "tensor(float)" or len(shape) != 2 or not isinstance(shape[1], int):
        raise OnnxModelError(f"{what}: expected tensor(float) of shape [N, fixed], got {tensor.type} of shape {shape}")
    return shape[1]
