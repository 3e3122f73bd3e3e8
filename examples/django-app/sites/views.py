"""The sites' API."""

from rest_framework import serializers

from accounts.viewsets import AccountViewSet

from .models import Site


class SiteSerializer(serializers.ModelSerializer):
    """A site; its domain is free within the account."""

    class Meta:
        model = Site
        fields = ["id", "account_id", "name", "domain"]
        read_only_fields = ["account_id"]

    def validate_domain(self, domain):
        """Lower case, and not taken by another site of the same account."""
        domain = domain.lower()
        same = Site.objects.filter(account_id=self.context["request"].user.account_id or 0, domain=domain)
        if same.exclude(pk=self.instance.pk if self.instance else None).exists():
            raise serializers.ValidationError("This domain is already among the account's sites.")
        return domain


class Sites(AccountViewSet):
    """`/api/v1/sites/`"""

    serializer_class = SiteSerializer
