"""MLServer, with ONNX Runtime."""
