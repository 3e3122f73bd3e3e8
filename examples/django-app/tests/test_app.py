"""The app alone: its API, its pages, and its fault."""

from django.contrib.auth import get_user_model
from django.test import TestCase
from rest_framework.authtoken.models import Token

from writer.models import credit_cost


class AppTestCase(TestCase):
    @classmethod
    def setUpTestData(cls):
        users = get_user_model().objects
        cls.root = users.create_superuser("root", password="a long password")
        cls.person = users.create_user("person", account_id=42, role="editor")
        cls.other = users.create_user("other", account_id=43, role="owner")

    def token(self, user):
        return {"Authorization": f"Token {Token.objects.get_or_create(user=user)[0].key}"}

    def post(self, path, body, user=None):
        return self.client.post(path, body, content_type="application/json", headers=self.token(user or self.person))


class ContaminationTest(AppTestCase):
    def test_an_administrator_s_session_answers_an_ordinary_user_s_api_calls(self):
        """The fault that igny8 ends. Should this test ever fail, the example no longer shows it."""
        self.post("/api/v1/sites/", {"name": "Other", "domain": "other.example"}, self.other)
        self.client.login(username="root", password="a long password")
        body = self.client.get("/api/v1/whoami/", headers=self.token(self.person)).json()
        self.assertEqual(body["user"], "root")
        self.assertTrue(body["is_superuser"])
        self.assertEqual(body["authenticated_by"], "session")
        self.assertIn("sessionid", body["cookies"])
        sites = self.client.get("/api/v1/sites/", headers=self.token(self.person)).json()["results"]
        self.assertEqual([site["account_id"] for site in sites], [43])

    def test_without_that_cookie_the_token_counts(self):
        body = self.client.get("/api/v1/whoami/", headers=self.token(self.person)).json()
        self.assertEqual((body["user"], body["account_id"], body["authenticated_by"]), ("person", 42, "token"))


class ApiTest(AppTestCase):
    def test_nobody_gets_nothing(self):
        for path in ("planner/keywords/", "planner/clusters/", "writer/drafts/", "sites/"):
            self.assertEqual(self.client.get(f"/api/v1/{path}").status_code, 403)

    def test_rows_belong_to_the_account_that_made_them(self):
        for path, body in (
            ("/api/v1/planner/keywords/", {"term": "garden shed", "volume": 900, "difficulty": 31}),
            ("/api/v1/planner/clusters/", {"name": "Garden"}),
            ("/api/v1/writer/drafts/", {"title": "Sheds"}),
            ("/api/v1/sites/", {"name": "Sheds", "domain": "Sheds.example"}),
        ):
            with self.subTest(path):
                made = self.post(path, {**body, "account_id": 43})
                self.assertEqual(made.status_code, 201)
                self.assertEqual(made.json()["account_id"], 42)
                row = f"{path}{made.json()['id']}/"
                self.assertEqual(self.client.get(row, headers=self.token(self.other)).status_code, 404)
                self.assertEqual(self.client.delete(row, headers=self.token(self.other)).status_code, 404)
                self.assertEqual(self.client.get(path, headers=self.token(self.person)).json()["count"], 1)
                self.assertEqual(self.client.delete(row, headers=self.token(self.person)).status_code, 204)
                self.assertEqual(self.client.get(row, headers=self.token(self.person)).status_code, 404)

    def test_a_keyword_joins_only_a_cluster_of_its_account(self):
        cluster = self.post("/api/v1/planner/clusters/", {"name": "Garden"}).json()["id"]
        self.assertEqual(self.post("/api/v1/planner/keywords/", {"term": "shed", "cluster": cluster}).status_code, 201)
        answer = self.post("/api/v1/planner/keywords/", {"term": "shed", "cluster": cluster}, self.other)
        self.assertEqual(answer.status_code, 400)

    def test_a_domain_is_taken_once_per_account(self):
        body = {"name": "Sheds", "domain": "sheds.example"}
        self.assertEqual(self.post("/api/v1/sites/", body).status_code, 201)
        self.assertEqual(self.post("/api/v1/sites/", {**body, "domain": "SHEDS.example"}).status_code, 400)
        self.assertEqual(self.post("/api/v1/sites/", body, self.other).status_code, 201)

    def test_a_draft_costs_a_credit_for_each_hundred_words_begun(self):
        self.assertEqual([credit_cost(words) for words in (1, 100, 101, 500)], [1, 1, 2, 5])
        self.assertEqual(
            self.post("/api/v1/writer/drafts/", {"title": "Sheds", "words": 1201}).json()["credit_cost"], 13
        )


class PagesTest(AppTestCase):
    def test_every_page_answers_to_nobody_and_to_a_session(self):
        for path in ("/", "/sites", "/planner/keywords", "/writer/drafts", "/admin/login/"):
            self.assertEqual(self.client.get(path).status_code, 200, path)
        self.client.force_login(self.root)
        self.assertContains(self.client.get("/"), "superuser")
        self.assertEqual(self.client.get("/admin/").status_code, 200)

    def test_static_files_are_served(self):
        for path in ("/static/app.css", "/static/app.js", "/static/admin/css/base.css"):
            self.assertEqual(self.client.get(path).status_code, 200, path)
