"""Which requests the edge believes."""

import json
import time
from unittest import skipUnless

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, TestCase, override_settings

from edge.middleware import sign

from .proxy import SECRET, EdgeTestCase, header

DOCUMENT = settings.BASE_DIR.parent.parent / "docs" / "edge.md"


class SignatureTest(EdgeTestCase):
    def refused(self, answer):
        self.assertEqual(answer.status_code, 403)
        self.assertEqual(answer.json()["code"], "edge_required")

    def test_a_signed_identity_is_the_user_and_never_staff(self):
        body = self.signed(account="42", user="7", role="owner").json()
        self.assertEqual(
            {
                name: body[name]
                for name in ("user", "user_id", "account_id", "role", "is_staff", "is_superuser", "authenticated_by")
            },
            {
                "user": "user-7",
                "user_id": 7,
                "account_id": 42,
                "role": "owner",
                "is_staff": False,
                "is_superuser": False,
                "authenticated_by": "edge",
            },
        )

    def test_a_signed_request_without_identity_is_nobody(self):
        body = self.signed().json()
        self.assertIsNone(body["user"])
        self.assertIsNone(body["authenticated_by"])

    def test_a_request_without_a_signature_is_refused(self):
        self.refused(self.client.get("/api/v1/whoami/", headers={"X-Account-Id": "42", "X-User-Id": "7"}))

    def test_a_header_of_another_shape_is_refused(self):
        good = header(path="/api/v1/whoami/")
        for bad in (
            "",
            "v1",
            good + "=",
            good.replace("v1;", "v2;"),
            good + ", " + good,
            " " + good.replace(";t=", ";t=+"),
            good[:-1],
        ):
            with self.subTest(bad):
                self.refused(self.client.get("/api/v1/whoami/", headers={"X-Igny8-Edge": bad}))

    def test_a_signature_of_another_key_is_refused(self):
        self.refused(self.signed(key=bytes(32)))

    def test_a_decision_on_another_request_is_refused(self):
        for changed in (
            {"method": "POST"},
            {"host": "other.example"},
            {"path": "/api/v1/sites/"},
            {"query": "a=1"},
            {"account": "43"},
            {"user": "8"},
            {"role": "admin"},
            {"request_id": "r2"},
        ):
            with self.subTest(changed):
                signature = header(
                    **{"path": "/api/v1/whoami/", "account": "42", "user": "7", "role": "owner", **changed}
                )
                sent = {"X-Account-Id": "42", "X-User-Id": "7", "X-User-Role": "owner", "X-Igny8-Edge": signature}
                self.refused(self.client.get("/api/v1/whoami/", headers=sent))

    def test_the_signed_rule_is_part_of_what_is_signed(self):
        signature = header(path="/api/v1/whoami/").replace("rule=/api", "rule=/admin")
        self.refused(self.client.get("/api/v1/whoami/", headers={"X-Igny8-Edge": signature}))

    def test_an_old_or_early_signature_is_refused(self):
        now = int(time.time())
        for t in (now - 32, now + 32):
            with self.subTest(t - now):
                self.refused(self.signed(t=t))
        self.assertEqual(self.signed(t=now - 28).status_code, 200)

    def test_the_query_is_signed_as_it_was_sent(self):
        signature = header(path="/api/v1/whoami/", query="q=%2fa&b")
        self.assertEqual(
            self.client.get("/api/v1/whoami/?q=%2fa&b", headers={"X-Igny8-Edge": signature}).status_code, 200
        )
        self.refused(self.client.get("/api/v1/whoami/?q=%2Fa&b", headers={"X-Igny8-Edge": signature}))

    def test_the_path_is_the_one_on_the_wire(self):
        for name in ("RAW_URI", "REQUEST_URI"):
            with self.subTest(name):
                sent = {"X-Igny8-Edge": header(path="/api/v1/whoami/")}
                self.assertEqual(
                    self.client.get("/api/v1/whoami/", headers=sent, **{name: "/api/v1/whoami/"}).status_code, 200
                )
                # Both of these make Django serve the path of the signature; neither is what was decided on.
                for wire in ("/%61pi/v1/whoami/", "foo:/api/v1/whoami/", "//api/v1/whoami/"):
                    self.refused(self.client.get("/api/v1/whoami/", headers=sent, **{name: wire}))

    def test_a_path_that_the_server_rewrote_is_refused(self):
        # gunicorn takes SCRIPT_NAME from a request field: the wire says /static/admin/, Django serves /admin/.
        sent = {"X-Igny8-Edge": header(path="/static/admin/", rule="/")}
        self.refused(self.client.get("/admin/", headers=sent, RAW_URI="/static/admin/", SCRIPT_NAME="/static"))
        # waitress collapses leading slashes.
        sent = {"X-Igny8-Edge": header(path="//admin/", rule="/")}
        self.refused(self.client.get("/admin/", headers=sent, RAW_URI="//admin/"))

    def test_a_path_that_is_not_ascii_is_compared_as_it_was_escaped(self):
        sent = {"X-Igny8-Edge": header(path="/na%C3%AFve", rule="/")}
        self.assertEqual(self.client.get("/na%C3%AFve", headers=sent).status_code, 404)
        self.assertEqual(self.client.get("/na%C3%AFve", headers=sent, RAW_URI="/na%C3%AFve").status_code, 404)

    def test_static_files_come_through_the_proxy_too(self):
        self.refused(self.client.get("/static/app.css"))


class UnrequiredTest(EdgeTestCase):
    required = False

    def test_identity_fields_without_a_signature_are_ignored(self):
        body = self.client.get(
            "/api/v1/whoami/", headers={"X-Account-Id": "42", "X-User-Id": "7", "X-User-Role": "owner"}
        ).json()
        self.assertIsNone(body["user"])
        self.assertEqual(body["headers"]["X-Account-Id"], "42")

    def test_identity_fields_with_a_bad_signature_are_ignored(self):
        self.assertIsNone(self.signed(account="42", user="7", role="owner", host="other.example").json()["user"])


class AloneTest(TestCase):
    def test_without_a_secret_no_signature_is_believed(self):
        # An empty key must not be a key that an attacker knows.
        for key in (b"", SECRET, bytes(32)):
            sent = {
                "X-Account-Id": "42",
                "X-User-Id": "7",
                "X-Igny8-Edge": header(key=key, path="/api/v1/whoami/", account="42", user="7"),
            }
            self.assertIsNone(self.client.get("/api/v1/whoami/", headers=sent).json()["user"])

    @override_settings(IGNY8_EDGE_REQUIRED=True)
    def test_requiring_the_edge_without_a_secret_stops_the_start(self):
        with self.assertRaises(ImproperlyConfigured):
            Client().get("/")


class DocumentTest(TestCase):
    @skipUnless(DOCUMENT.exists(), "the app was copied without the documentation")
    def test_the_test_vectors_of_the_documentation_hold(self):
        blocks = DOCUMENT.read_text().split("```json\n")[1:]
        vectors = [json.loads(block.split("```")[0]) for block in blocks]
        self.assertEqual(len(vectors), 2)
        for vector in vectors:
            names = ("method", "host", "path", "query", "rule", "account", "user", "role", "request_id", "t")
            fields = [vector[name].encode() for name in names]
            signature = sign(bytes.fromhex(vector["key"]), fields)
            self.assertEqual(f"v1;t={vector['t']};rule={vector['rule']};sig={signature}", vector["header"])
