"""Tells how WSGI servers fold header fields: one JSON line in, one JSON line out.

In:  [latin-1 text of a header block, ...]
Out: for each block what the server of the standard library and waitress put into the environment for its fields, by name
     without `HTTP_`; a reader that takes the block for malformed tells null.
"""

import http.client
import io
import json
import sys
from wsgiref.simple_server import WSGIRequestHandler

from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser


class Handler(WSGIRequestHandler):
    """The standard library's own, given a header block instead of a connection."""

    def __init__(self, block):  # pylint: disable=super-init-not-called
        line, fields = block.split(b"\r\n", 1)
        self.command, self.path, self.request_version = line.decode("latin-1").split(" ")
        self.headers = http.client.parse_headers(io.BytesIO(fields))
        self.client_address = ("127.0.0.1", 1)
        self.server = type("Server", (), {"base_environ": {}})

    def address_string(self):
        return "127.0.0.1"


def standard(block):
    environ = Handler(block).get_environ()
    return {name[5:]: value for name, value in environ.items() if name.startswith("HTTP_")}


def waitress(block):
    parser = HTTPRequestParser(Adjustments())
    parser.received(block)
    return None if parser.error else parser.headers


for line in sys.stdin:
    blocks = [text.encode("latin-1") for text in json.loads(line)]
    print(json.dumps([[standard(block), waitress(block)] for block in blocks]), flush=True)
