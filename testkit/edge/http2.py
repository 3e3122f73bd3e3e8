"""An HTTP/2 client without manners: it sends what it is told, frame by frame, and says what came back.

    http2.py ADDRESS requests            JSON on standard input: a list of {"headers": [[name, value], …], "body", "end"}
    http2.py ADDRESS reset COUNT         opens and resets streams in a row
    http2.py ADDRESS streams COUNT       opens streams that are never finished
    http2.py ADDRESS continuation COUNT  a header block without an end
    http2.py ADDRESS ping COUNT          and "settings COUNT": frames that want an answer
    http2.py ADDRESS bomb COUNT          one large field, referred to again and again
    http2.py ADDRESS silent SECONDS      a handshake and nothing more
    http2.py ADDRESS unread PATH         asks for PATH and opens no window for it
    http2.py ADDRESS pipe                JSON on standard input: for each connection its bytes, as a list of hex texts; after
                                         each of them it waits for what comes. Not even a preface is added.

One JSON value goes to standard output. Nothing is checked on the way out: that is the point.
"""

import json
import select
import socket
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from hpack import Decoder, Encoder
from hyperframe.exceptions import InvalidFrameError
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PATIENCE = 15
# For connections that the other side is to end: a busy machine takes its time.
END_PATIENCE = 60


class Closed(Exception):
    """The peer has closed, or reset, the connection."""


def dial(address):
    """A TLS connection that speaks HTTP/2."""
    host, port = address.rsplit(":", 1)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context.wrap_socket(socket.create_connection((host, int(port)), PATIENCE), server_hostname=host)


class Connection:
    """One connection, after the exchange of prefaces."""

    def __init__(self, address, settings=None):
        self.socket = dial(address)
        self.protocol = self.socket.selected_alpn_protocol()
        self.socket.settimeout(PATIENCE)
        self.encoder, self.decoder = Encoder(), Decoder()
        self.bytes = b""
        self.send_raw(PREFACE)
        self.send(SettingsFrame(0, settings=settings or {}))

    def send_raw(self, data):
        """Sends bytes."""
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Closed from error

    def send(self, *frames):
        """Sends frames, all at once."""
        self.send_raw(b"".join(frame.serialize() for frame in frames))

    def headers(self, stream, fields, end):
        """A whole header block in one frame."""
        frame = HeadersFrame(stream, data=self.encoder.encode([tuple(field) for field in fields], huffman=False))
        frame.flags.add("END_HEADERS")
        if end:
            frame.flags.add("END_STREAM")
        return frame

    def read(self):
        """The next frame."""
        while True:
            if len(self.bytes) >= 9:
                frame, length = Frame.parse_frame_header(memoryview(self.bytes[:9]))
                if len(self.bytes) >= 9 + length:
                    body, self.bytes = self.bytes[9 : 9 + length], self.bytes[9 + length :]
                    frame.parse_body(memoryview(body))
                    return frame
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                raise
            except OSError as error:
                raise Closed from error
            if not data:
                raise Closed
            self.bytes += data


def plain(path="/", authority=None, method="GET"):
    """The fields of an ordinary request."""
    return [[":method", method], [":scheme", "https"], [":authority", authority or ADDRESS], [":path", path]]


def answer_to(connection, stream):
    """What came back on a stream."""
    answer = {"status": None, "headers": {}, "body": "", "reset": None, "goaway": None, "closed": False}
    body = b""
    try:
        while True:
            frame = connection.read()
            if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
                ack = SettingsFrame(0)
                ack.flags.add("ACK")
                connection.send(ack)
            elif isinstance(frame, GoAwayFrame):
                answer["goaway"] = frame.error_code
            elif frame.stream_id != stream:
                continue
            elif isinstance(frame, RstStreamFrame):
                answer["reset"] = frame.error_code
                break
            elif isinstance(frame, HeadersFrame):
                for name, value in connection.decoder.decode(frame.data):
                    answer["headers"].setdefault(name, []).append(value)
                answer["status"] = int(answer["headers"].pop(":status")[0])
            elif isinstance(frame, DataFrame):
                body += frame.data
                if frame.data:
                    update = WindowUpdateFrame(0, window_increment=len(frame.data))
                    mine = WindowUpdateFrame(stream, window_increment=len(frame.data))
                    connection.send(update, mine)
            if "END_STREAM" in frame.flags:
                break
    except Closed:
        answer["closed"] = True
    except (TimeoutError, InvalidFrameError) as error:
        answer["error"] = repr(error)
    answer["body"] = body.decode("utf-8", "replace")
    return answer


def requests():
    """Each request on a connection of its own."""
    answers = []
    for request in json.load(sys.stdin):
        connection = Connection(ADDRESS)
        body = (request.get("body") or "").encode()
        end = request.get("end", True)
        frames = [connection.headers(1, request["headers"], end and not body)]
        if body:
            data = DataFrame(1, data=body)
            if end:
                data.flags.add("END_STREAM")
            frames.append(data)
        try:
            connection.send(*frames)
        except Closed:
            pass
        answers.append(answer_to(connection, 1))
        connection.socket.close()
    return answers


def until_closed(connection):
    """Reads on until the connection ends or nothing comes for a while: (error of GOAWAY, closed, frames by kind)"""
    seen, goaway, closed = {}, None, False
    connection.socket.settimeout(3)
    try:
        while True:
            frame = connection.read()
            seen[type(frame).__name__] = seen.get(type(frame).__name__, 0) + 1
            if isinstance(frame, GoAwayFrame):
                goaway = frame.error_code
    except Closed:
        closed = True
    except (TimeoutError, InvalidFrameError):
        pass
    return {"goaway": goaway, "closed": closed, "frames": seen}


def flood(make, count):
    """Sends what `make` gives for each number, in lots, and says what came of it."""
    connection = Connection(ADDRESS)
    sent = 0
    try:
        for start in range(0, count, 100):
            numbers = range(start, min(start + 100, count))
            connection.send(*[frame for number in numbers for frame in make(connection, number)])
            sent += len(numbers)
    except Closed:
        pass
    return {"sent": sent, **until_closed(connection)}


def opened_and_reset(connection, number):
    """A request that is taken back at once."""
    stream = 2 * number + 1
    return [connection.headers(stream, plain("/reset"), True), RstStreamFrame(stream, error_code=8)]


def opened(connection, number):
    """A request whose body never comes."""
    return [connection.headers(2 * number + 1, plain("/open", method="POST"), False)]


def pinged(_connection, _number):
    """A frame that wants an answer."""
    return [PingFrame(0, opaque_data=b"12345678")]


def settled(_connection, _number):
    """Another one."""
    return [SettingsFrame(0, settings={1: 4096})]


def continued(connection, number):
    """Part of a header block that never ends."""
    data = connection.encoder.encode([(f"x-field-{number}", "v" * 60)], huffman=False)
    if number == 0:
        data = connection.encoder.encode([tuple(field) for field in plain()], huffman=False)
        return [HeadersFrame(1, data=data)]
    return [ContinuationFrame(1, data=data)]


def bomb(count):
    """A field of 3,900 bytes enters the table once and is then referred to by one byte at a time."""
    connection = Connection(ADDRESS)
    block = connection.encoder.encode([tuple(field) for field in plain()], huffman=False)
    block += connection.encoder.encode([("x-bomb", "b" * 3900)], huffman=False)
    block += b"\xbe" * count
    frame = HeadersFrame(1, data=block)
    frame.flags |= {"END_HEADERS", "END_STREAM"}
    connection.send(frame)
    return answer_to(connection, 1)


def silent(seconds):
    """How long a connection that says nothing is kept."""
    connection = Connection(ADDRESS)
    connection.socket.settimeout(seconds)
    began = time.monotonic()
    try:
        while True:
            connection.read()
    except Closed:
        return {"closed": True, "after": time.monotonic() - began}
    except TimeoutError:
        return {"closed": False}


def unread(path):
    """Asks, and opens no window: what becomes of the stream."""
    connection = Connection(ADDRESS, settings={4: 0})
    connection.send(connection.headers(1, plain(path), True))
    return answer_to(connection, 1)


class Pipe:
    """Bytes out and bytes in, both as they come."""

    def __init__(self):
        self.socket = dial(ADDRESS)
        self.socket.setblocking(False)
        self.received, self.closed, self.sent = bytearray(), False, 0

    def step(self, rest):
        """Sends some of the rest if that can be, takes what is there; what is left to send, whether anything was done."""
        busy = False
        try:
            part = self.socket.recv(65536)
            self.received += part
            self.closed, busy = not part, True
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            self.closed = True
        try:
            if rest and not self.closed:
                count = self.socket.send(rest[:16384])
                self.sent += count
                return rest[count:], True
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            # What was said before the end is still to be read.
            return rest[:0], True
        if not busy and not self.closed:
            select.select([self.socket], [self.socket] if rest else [], [], 0.02)
        return rest, busy

    def run(self, parts):
        """Sends each part and waits for what comes of it; after the last one for the end."""
        deadline = time.monotonic() + END_PATIENCE
        for part in parts:
            rest, quiet_since = memoryview(bytes.fromhex(part)), time.monotonic()
            while not self.closed and time.monotonic() < deadline:
                rest, busy = self.step(rest)
                if busy:
                    quiet_since = time.monotonic()
                elif not rest and part is not parts[-1] and time.monotonic() - quiet_since > 0.3:
                    break
        self.socket.close()
        return {"received": self.received.hex(), "closed": self.closed, "sent": self.sent}


def pipes():
    """Each connection by itself, several at a time."""
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda parts: Pipe().run(parts), json.load(sys.stdin)))


ADDRESS = sys.argv[1]
SCENARIO, ARGUMENT = sys.argv[2], (sys.argv[3:] or [""])[0]
RESULT = {
    "requests": requests,
    "reset": lambda: flood(opened_and_reset, int(ARGUMENT)),
    "streams": lambda: flood(opened, int(ARGUMENT)),
    "continuation": lambda: flood(continued, int(ARGUMENT)),
    "ping": lambda: flood(pinged, int(ARGUMENT)),
    "settings": lambda: flood(settled, int(ARGUMENT)),
    "bomb": lambda: bomb(int(ARGUMENT)),
    "silent": lambda: silent(float(ARGUMENT)),
    "unread": lambda: unread(ARGUMENT),
    "pipe": pipes,
}[SCENARIO]()
print(json.dumps(RESULT))
