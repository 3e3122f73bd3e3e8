"""A stand-in for the signing half of the proxy, written apart from `edge` so that the two check each other."""

import base64
import hashlib
import hmac
import struct
import tempfile
import time
from pathlib import Path

from django.test import TestCase, override_settings

SECRET = bytes(range(32))
LABEL = b"igny8 session introspection v1"


def header(
    key=SECRET,
    method="GET",
    host="testserver",
    path="/",
    query="",
    rule="/api",
    account="",
    user="",
    role="",
    request_id="",
    t=None,
):
    """The `X-Igny8-Edge` field for a request."""
    t = str(int(time.time()) if t is None else t)
    message = b""
    for field in (method, host, path, query, rule, account, user, role, request_id, t):
        raw = field.encode("latin-1")
        message += struct.pack(">I", len(raw)) + raw
    signature = base64.urlsafe_b64encode(hmac.new(key, message, hashlib.sha256).digest()).rstrip(b"=").decode()
    return f"v1;t={t};rule={rule};sig={signature}"


def introspection_header(**fields):
    """The field that look-ups of sessions carry."""
    key = hmac.new(SECRET, LABEL, hashlib.sha256).digest()
    return header(key=key, path="/internal/session/", **{"rule": "introspection", **fields})


class EdgeTestCase(TestCase):
    """Runs with an edge secret, and refuses what was not signed."""

    required = True

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        file = Path(folder.name) / "edge_app"
        file.write_text(SECRET.hex() + "\n")
        settings = override_settings(IGNY8_EDGE_SECRET_FILE=str(file), IGNY8_EDGE_REQUIRED=self.required)
        settings.enable()
        self.addCleanup(settings.disable)
        # The client reads its middleware at its first request, so it must be made after the settings.
        self.client = self.client_class(HTTP_HOST="testserver")

    def signed(self, path="/api/v1/whoami/", account="", user="", role="", **signed):
        """GETs `path` with identity fields and a signature over them; `signed` changes what the signature covers."""
        fields = {"path": path, "account": account, "user": user, "role": role, **signed}
        sent = {"X-Igny8-Edge": header(**fields)}
        for name, value in {"X-Account-Id": account, "X-User-Id": user, "X-User-Role": role}.items():
            if value:
                sent[name] = value
        return self.client.get(path, headers=sent)
