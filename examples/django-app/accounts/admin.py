"""People in the admin panel."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from .models import User


@admin.register(User)
class AccountUserAdmin(UserAdmin):
    """Django's own, with the account and the role."""

    list_display = ("username", "email", "account_id", "role", "is_staff", "is_superuser")
    fieldsets = (*UserAdmin.fieldsets, ("Account", {"fields": ("account_id", "role")}))
