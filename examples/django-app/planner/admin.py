"""The planner's rows in the admin panel."""

from django.contrib import admin

from .models import Cluster, Keyword

admin.site.register([Cluster, Keyword])
