"""The writer's API."""

from rest_framework import serializers

from accounts.viewsets import AccountViewSet

from .models import Draft


class DraftSerializer(serializers.ModelSerializer):
    """A draft; `words` is the length that was ordered."""

    words = serializers.IntegerField(min_value=1, max_value=20_000, default=500)

    class Meta:
        model = Draft
        fields = ["id", "account_id", "title", "body", "words", "credit_cost", "created_at"]
        read_only_fields = ["account_id", "credit_cost", "created_at"]


class Drafts(AccountViewSet):
    """`/api/v1/writer/drafts/`: creating one records what it costs."""

    serializer_class = DraftSerializer
