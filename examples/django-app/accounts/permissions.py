"""Who may use the API at all."""

from rest_framework.permissions import BasePermission


class HasAccount(BasePermission):
    """Lets in whoever belongs to an account, and superusers."""

    def has_permission(self, request, view):
        user = request.user
        return user.is_authenticated and (user.is_superuser or user.account_id is not None)
