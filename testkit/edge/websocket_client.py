"""A WebSocket client: connects, says a word, waits until the other side ends, and prints one line of JSON for each step.

    websocket_client.py ADDRESS PATH [NAME=VALUE …]     fields of the handshake; TLS=1 speaks TLS; SAY=word, then waits
"""

import json
import ssl
import sys
import time

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect


def tell(**step):
    """One line."""
    print(json.dumps(step), flush=True)


address, path, *pairs = sys.argv[1:]
fields = dict(pair.split("=", 1) for pair in pairs)
tls, word, origin = fields.pop("TLS", None), fields.pop("SAY", "hello"), fields.pop("Origin", None)
context = None
if tls:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
scheme = "wss" if tls else "ws"
try:
    with connect(
        f"{scheme}://{address}{path}",
        origin=origin,
        additional_headers=fields,
        ssl=context,
        compression=None,
        ping_interval=None,
    ) as socket:
        tell(step="fields", fields=json.loads(socket.recv(timeout=10)))
        socket.send("x" * 100_000)
        tell(step="large", length=len(socket.recv(timeout=10)))
        socket.send(word)
        if word != "bye":
            tell(step="echo", word=socket.recv(timeout=10))
        began = time.monotonic()
        try:
            socket.recv(timeout=60)
        except ConnectionClosed:
            tell(step="closed", after=time.monotonic() - began)
except InvalidHandshake as error:
    answer = getattr(error, "response", None)
    tell(step="refused", status=answer and answer.status_code, body=answer and (answer.body or b"").decode())
