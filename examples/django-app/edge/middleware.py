"""Believes the proxy's identity fields if, and only if, its signature covers the request that this server received."""

import base64
import hmac
import re
import time
from collections import namedtuple
from pathlib import Path
from urllib.parse import quote, unquote

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import JsonResponse

TOLERANCE_SECONDS = 30
INTROSPECTION_PATH = "/internal/session/"
INTROSPECTION_RULE = "introspection"
INTROSPECTION_KEY_LABEL = b"igny8 session introspection v1"
HEADER = re.compile(r"v1;t=([0-9]{1,12});rule=([^;]*);sig=([A-Za-z0-9_-]{43})")

Identity = namedtuple("Identity", "rule account user role request_id")


def sign(key, fields):
    """The signature over `fields`: each goes in as its length (four bytes, big endian) and its bytes."""
    message = b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    return base64.urlsafe_b64encode(hmac.digest(key, message, "sha256")).rstrip(b"=").decode()


def wire_path_and_query(request):
    """What stood in the request line, as this server tells it; rebuilt where it does not."""
    scope, query = getattr(request, "scope", {}), request.META.get("QUERY_STRING", "")
    if scope.get("raw_path") is not None:
        return scope["raw_path"].decode("latin-1"), query
    target = request.META.get("RAW_URI") or request.META.get("REQUEST_URI")
    if target is None:
        return quote(request.path_info, safe="/-._~!$&'()*+,=:@"), query
    path, _, wire_query = target.partition("?")
    return path, wire_query


class EdgeMiddleware:
    """Sets `request.edge` to the proxy's decision, or to None; refuses the latter where `IGNY8_EDGE_REQUIRED` is on."""

    def __init__(self, get_response):
        self.get_response = get_response
        file = settings.IGNY8_EDGE_SECRET_FILE
        self.key = bytes.fromhex(Path(file).read_text()) if file else b""
        if len(self.key) != (32 if file or settings.IGNY8_EDGE_REQUIRED else 0):
            raise ImproperlyConfigured("IGNY8_EDGE_SECRET_FILE must name a file of 64 hexadecimal digits")
        self.introspection_key = hmac.digest(self.key, INTROSPECTION_KEY_LABEL, "sha256")

    def __call__(self, request):
        request.edge = self.verified(request) if self.key else None
        if settings.IGNY8_EDGE_REQUIRED and request.edge is None:
            return JsonResponse(
                {"success": False, "error": "Come through the proxy.", "code": "edge_required"}, status=403
            )
        return self.get_response(request)

    def verified(self, request):
        """The decision that the proxy signed for exactly this request, or None."""
        header = HEADER.fullmatch(request.META.get("HTTP_X_IGNY8_EDGE", ""))
        if not header:
            return None
        t, rule, signature = header.groups()
        path, query = wire_path_and_query(request)
        # The app must route by the path that was signed: no SCRIPT_NAME, collapsed slash or second decoding in between.
        if unquote(path) != (settings.FORCE_SCRIPT_NAME or "") + request.path_info or query != request.META.get(
            "QUERY_STRING", ""
        ):
            return None
        introspection = request.path_info == INTROSPECTION_PATH
        if introspection != (rule == INTROSPECTION_RULE) or abs(time.time() - int(t)) > TOLERANCE_SECONDS:
            return None
        names = ("HTTP_X_ACCOUNT_ID", "HTTP_X_USER_ID", "HTTP_X_USER_ROLE", "HTTP_X_REQUEST_ID")
        identity = Identity(rule, *(request.META.get(name, "") for name in names))
        signed = (request.META["REQUEST_METHOD"], request.META.get("HTTP_HOST", ""), path, query, *identity, t)
        key = self.introspection_key if introspection else self.key
        good = hmac.compare_digest(sign(key, [field.encode("latin-1") for field in signed]), signature)
        return identity if good else None
