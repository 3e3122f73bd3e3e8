"""The sites in the admin panel."""

from django.contrib import admin

from .models import Site

admin.site.register([Site])
