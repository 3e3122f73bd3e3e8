"""The HTML pages. What they show of an account is what the signed-in user of the request may see."""

from django.shortcuts import render

from accounts.scope import of_account
from planner.models import Keyword
from sites.models import Site
from writer.models import Draft


def home(request):
    """Who the app believes is asking, and where to go."""
    return render(request, "home.html")


def _table(request, title, api, model, columns):
    rows = [[getattr(row, column) for column in columns] for row in of_account(model, request.user)[:100]]
    return render(request, "table.html", {"title": title, "api": api, "columns": columns, "rows": rows})


def sites(request):
    """The sites of the account."""
    return _table(request, "Sites", "/api/v1/sites/", Site, ["name", "domain"])


def keywords(request):
    """The keywords of the account."""
    return _table(request, "Keywords", "/api/v1/planner/keywords/", Keyword, ["term", "volume", "difficulty"])


def drafts(request):
    """The drafts of the account and what they cost."""
    return _table(request, "Drafts", "/api/v1/writer/drafts/", Draft, ["title", "words", "credit_cost"])
