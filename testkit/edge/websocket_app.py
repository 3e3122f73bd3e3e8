"""A WebSocket server behind the proxy: it tells what it was asked with, and then says everything twice.

    websocket_app.py ADDRESS     `/…/deny` is refused with 403; "bye" ends a connection
"""

import asyncio
import http
import json
import sys

from websockets.asyncio.server import serve


def decide(connection, request):
    """Refuses one path, and answers a request that is no handshake as any web server would."""
    if request.path.endswith("/deny"):
        return connection.respond(http.HTTPStatus.FORBIDDEN, "not here\n")
    if request.headers.get("Upgrade") is None:
        return connection.respond(http.HTTPStatus.OK, json.dumps(dict(request.headers.raw_items())))
    return None


async def talk(connection):
    """First the fields of the handshake, then an echo."""
    await connection.send(json.dumps(dict(connection.request.headers.raw_items())))
    async for message in connection:
        if message == "bye":
            return
        await connection.send(message)


async def main():
    """Serves until the process is ended."""
    host, port = sys.argv[1].rsplit(":", 1)
    async with serve(talk, host, int(port), process_request=decide, ping_interval=None) as server:
        await server.serve_forever()


asyncio.run(main())
