"""Every route of the app."""

from django.contrib import admin
from django.urls import include, path
from rest_framework.authtoken.views import obtain_auth_token
from rest_framework.routers import DefaultRouter

from accounts.views import WhoAmI
from edge.views import session
from planner.views import Clusters, Keywords
from project import pages
from sites.views import Sites
from writer.views import Drafts

router = DefaultRouter()
router.include_root_view = False
router.register("planner/keywords", Keywords, basename="keyword")
router.register("planner/clusters", Clusters, basename="cluster")
router.register("writer/drafts", Drafts, basename="draft")
router.register("sites", Sites, basename="site")

urlpatterns = [
    path("", pages.home),
    path("sites", pages.sites),
    path("planner/keywords", pages.keywords),
    path("writer/drafts", pages.drafts),
    path("admin/", admin.site.urls),
    path("api/v1/whoami/", WhoAmI.as_view()),
    path("api/v1/token/", obtain_auth_token),
    path("api/v1/", include(router.urls)),
    path("internal/session/", session),
]
