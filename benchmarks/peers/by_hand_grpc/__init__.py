"""grpc.aio, redis-py and ONNX Runtime by hand."""
