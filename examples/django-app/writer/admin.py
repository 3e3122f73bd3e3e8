"""The writer's rows in the admin panel."""

from django.contrib import admin

from .models import Draft

admin.site.register([Draft])
