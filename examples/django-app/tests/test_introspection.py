"""What the app answers the proxy about its sessions."""

from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.test import TestCase

from .proxy import EdgeTestCase, header, introspection_header

PATH = "/internal/session/"


class IntrospectionTest(EdgeTestCase):
    def setUp(self):
        super().setUp()
        users = get_user_model().objects
        self.root = users.create_superuser("root")
        self.person = users.create_user("person", account_id=42, role="editor")

    def ask(self, method="get", **fields):
        signature = introspection_header(method=method.upper(), **fields)
        return getattr(self.client, method)(PATH, headers={"X-Igny8-Edge": signature})

    def test_a_superuser_s_session_is_known_as_one(self):
        self.client.force_login(self.root)
        answer = self.ask()
        self.assertEqual(
            answer.json(),
            {
                "authenticated": True,
                "is_staff": True,
                "is_superuser": True,
                "user_id": self.root.pk,
                "account_id": None,
            },
        )
        self.assertIn("no-store", answer["Cache-Control"])

    def test_an_ordinary_session_is_known_as_one(self):
        self.client.force_login(self.person)
        self.assertEqual(
            self.ask().json(),
            {
                "authenticated": True,
                "is_staff": False,
                "is_superuser": False,
                "user_id": self.person.pk,
                "account_id": 42,
            },
        )

    def test_an_unknown_session_is_nobody_s(self):
        self.client.cookies["sessionid"] = "made-up"
        self.assertEqual(
            self.ask().json(),
            {"authenticated": False, "is_staff": False, "is_superuser": False, "user_id": None, "account_id": None},
        )

    def test_deleting_ends_that_session_and_no_other(self):
        other = self.client_class(HTTP_HOST="testserver")
        other.force_login(self.root)
        self.client.force_login(self.root)
        key = self.client.cookies["sessionid"].value
        self.assertEqual(self.ask("delete").status_code, 204)
        self.assertFalse(Session.objects.filter(session_key=key).exists())
        self.assertEqual(Session.objects.count(), 1)

    def test_deleting_a_session_that_is_gone_is_no_error(self):
        self.client.cookies["sessionid"] = "made-up"
        self.assertEqual(self.ask("delete").status_code, 204)

    def test_only_the_introspection_key_opens_it(self):
        self.client.force_login(self.root)
        for signature in (
            None,
            header(path=PATH),
            header(path=PATH, rule="introspection"),
            introspection_header(rule="/api"),
        ):
            with self.subTest(signature):
                answer = self.client.get(PATH, headers={"X-Igny8-Edge": signature} if signature else {})
                self.assertEqual(answer.status_code, 403)
        self.assertEqual(Session.objects.count(), 1)

    def test_a_look_up_s_signature_ends_nothing(self):
        self.client.force_login(self.root)
        self.assertEqual(self.client.delete(PATH, headers={"X-Igny8-Edge": introspection_header()}).status_code, 403)
        self.assertEqual(Session.objects.count(), 1)

    def test_the_introspection_key_opens_nothing_else(self):
        signature = introspection_header()
        self.assertEqual(self.client.get("/api/v1/whoami/", headers={"X-Igny8-Edge": signature}).status_code, 403)


class UnrequiredIntrospectionTest(IntrospectionTest):
    """The same where other requests may come in unsigned."""

    required = False

    def test_the_introspection_key_opens_nothing_else(self):
        signature = introspection_header()
        sent = {"X-Igny8-Edge": signature, "X-Account-Id": "42", "X-User-Id": "7"}
        self.assertIsNone(self.client.get("/api/v1/whoami/", headers=sent).json()["user"])


class AloneTest(TestCase):
    def test_without_an_edge_secret_there_is_no_introspection(self):
        for signature in ({}, {"X-Igny8-Edge": introspection_header()}):
            self.assertEqual(self.client.get(PATH, headers=signature).status_code, 404)
