"""A WSGI and ASGI app that only looks: it writes down every request that reaches it, as Django would read it.

`WITNESS_RECORDS` names the file that gets one JSON line for each request; `WITNESS_EDGE_SECRET_FILE` holds the edge secret,
so that a record says whether the proxy signed exactly what arrived. The check is written apart from the proxy's and
from the example app's. A session is what its value says: with `root` in it a superuser's, with `user` anybody's.
"""

import base64
import hmac
import io
import json
import os
import struct
import threading
import time

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest

settings.configure(ALLOWED_HOSTS=["*"], USE_TZ=True, DEBUG=False)
django.setup()

INTROSPECTION_PATH = "/internal/session/"
RECORDS = os.open(os.environ["WITNESS_RECORDS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
LOCK = threading.Lock()


def edge_key():
    """The key of the proxy, or None where nothing signs."""
    path = os.environ.get("WITNESS_EDGE_SECRET_FILE")
    if not path:
        return None
    with open(path, encoding="ascii") as file:
        return bytes.fromhex(file.read().strip())


KEY = edge_key()


def edge_of(environ, path, query):
    """(whether the edge signature covers this request, the rule that it names)"""
    parts = environ.get("HTTP_X_IGNY8_EDGE", "").split(";")
    if KEY is None or len(parts) != 4 or parts[0] != "v1":
        return False, None
    t, rule, signature = (part.split("=", 1)[-1] for part in parts[1:])
    key = hmac.digest(KEY, b"igny8 session introspection v1", "sha256") if rule == "introspection" else KEY
    fields = [environ["REQUEST_METHOD"], environ.get("HTTP_HOST", ""), path, query, rule]
    fields += [environ.get(f"HTTP_X_{name}", "") for name in ("ACCOUNT_ID", "USER_ID", "USER_ROLE", "REQUEST_ID")]
    message = b"".join(struct.pack(">I", len(field)) + field for field in (f.encode("latin-1") for f in [*fields, t]))
    expected = base64.urlsafe_b64encode(hmac.digest(key, message, "sha256")).rstrip(b"=").decode()
    fresh = t.isdigit() and abs(time.time() - int(t)) <= 30
    return fresh and hmac.compare_digest(expected.encode(), signature.encode()), rule


def read_body(environ):
    """The length of the body; None where it broke off."""
    length = 0
    try:
        while chunk := environ["wsgi.input"].read(65536):
            length += len(chunk)
    except Exception:  # Each server has its own ways to say that a body ended early.
        return None
    return length


def record_of(environ):
    """What one request was, to this server and to Django."""
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    path, _, query = target.partition("?")
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    return record_as(WSGIRequest(environ), path, query, headers, read_body(environ))


def record_as(request, path, query, headers, body_length):
    """What Django makes of a request that came with this path, query and fields."""
    environ = request.META
    signed, rule = edge_of(environ, path, query)
    return {
        "marker": headers.get("x-marker", ""),
        "method": environ["REQUEST_METHOD"],
        "wire_path": path,
        "wire_query": query,
        "django_path": request.path_info,
        "query": environ.get("QUERY_STRING", ""),
        "scheme": request.scheme,
        "headers": headers,
        "cookies": request.COOKIES,
        "body_length": body_length,
        "signed": signed,
        "rule": rule,
        "introspection": request.path_info == INTROSPECTION_PATH and rule == "introspection",
    }


def session_facts(value):
    """The answer to a look-up."""
    root, user = "root" in value, "user" in value
    return {
        "authenticated": root or user,
        "is_staff": root,
        "is_superuser": root,
        "user_id": 1 if root else 2 if user else None,
        "account_id": 42 if user else None,
    }


def application(environ, start_response):
    """Records the request and answers with the record."""
    answer = answer_to(record_of(environ))
    fields = [("Content-Type", "application/json")]
    if answer:
        fields.append(("Content-Length", str(len(answer))))
    start_response("200 OK" if answer else "204 No Content", fields)
    return [answer]


def answer_to(record):
    """Writes a record down; what its request is answered with, nothing for 204."""
    line = json.dumps(record).encode() + b"\n"
    with LOCK:
        os.write(RECORDS, line)
    if not record["introspection"]:
        return line
    if record["method"] == "DELETE":
        return b""
    return json.dumps(session_facts(record["cookies"].get("sessionid", ""))).encode()


async def read_events(receive):
    """The length of the body; None where it broke off."""
    length = 0
    while True:
        event = await receive()
        if event["type"] != "http.request":
            return None
        length += len(event.get("body", b""))
        if not event.get("more_body"):
            return length


async def asgi(scope, receive, send):
    """The same for servers that speak ASGI."""
    if scope["type"] != "http":
        raise RuntimeError("nothing but requests is looked at")
    body_length = await read_events(receive)
    headers = {}
    for name, value in scope["headers"]:
        name, value = name.decode("latin-1").replace("_", "-").lower(), value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    answer = answer_to(record_as(ASGIRequest(scope, io.BytesIO()), path, query, headers, body_length))
    fields = [(b"content-type", b"application/json")]
    if answer:
        fields.append((b"content-length", str(len(answer)).encode()))
    await send({"type": "http.response.start", "status": 200 if answer else 204, "headers": fields})
    await send({"type": "http.response.body", "body": answer})
