"""What the API of every object of an account has in common."""

from rest_framework import viewsets

from .scope import of_account


class AccountViewSet(viewsets.ModelViewSet):
    """List, create, read, change and delete the rows of the caller's account; another account's row is 404."""

    def get_queryset(self):
        return of_account(self.serializer_class.Meta.model, self.request.user)

    def perform_create(self, serializer):
        # A superuser without an account writes into account 0, which belongs to nobody.
        serializer.save(account_id=self.request.user.account_id or 0)
