"""Read by every Python process of Ray as it starts: where it listens, which Ray has no settings for."""

import os

from grpc.aio import _server

# A replica picks its ports out of ranges whose ends are excluded. They are read as Ray is imported.
for _protocol, _port in (("GRPC", int(os.environ["PEER_PORT"])), ("HTTP", int(os.environ["PEER_SPARE_PORT"]))):
    os.environ[f"RAY_SERVE_DIRECT_INGRESS_MIN_{_protocol}_PORT"] = str(_port)
    os.environ[f"RAY_SERVE_DIRECT_INGRESS_MAX_{_protocol}_PORT"] = str(_port + 1)

# gRPC servers would listen on every interface.
_bind = _server.Server.add_insecure_port
_server.Server.add_insecure_port = lambda server, address: _bind(server, address.replace("[::]", "127.0.0.1"))
