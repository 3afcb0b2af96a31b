"""A server of JSON over HTTP/1.1, run as a program: what stands for a peer in tests.

``python json_server.py PORT [ANSWER]`` answers every POST with what was sent, or always with ANSWER.
"""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        # A body of 503 is answered with that status.
        self.send_response(503 if body == b"503" else 200)
        answer = sys.argv[2].encode() if len(sys.argv) > 2 else body
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
