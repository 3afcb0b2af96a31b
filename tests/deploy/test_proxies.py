"""The configurations of ``deploy/proxies``: calls arrive, who is let in, and new certificates without a restart."""

from __future__ import annotations

import gzip
import shutil
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest

from benchmarks.rig.terminators import CONFIGURATIONS, Terminator, missing, terminator
from support.certificates import Authority, Pair
from support.http2_frames import END_HEADERS
from support.running_server import Served, serving, track
from support.worker_processes import stub_of, until

ALONE = [("grpc.use_local_subchannel_pool", 1)]
LAYER_7 = ("haproxy-http.cfg", "envoy.yaml")
WITH_CLIENT_CERTIFICATES = ("haproxy.cfg", "envoy.yaml")
