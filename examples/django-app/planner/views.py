"""The planner's API."""

from rest_framework import serializers

from accounts.scope import of_account
from accounts.viewsets import AccountViewSet

from .models import Cluster, Keyword


class OwnClusters(serializers.PrimaryKeyRelatedField):
    """Clusters of the caller's account only: another account's do not exist."""

    def get_queryset(self):
        return of_account(Cluster, self.context["request"].user)


class ClusterSerializer(serializers.ModelSerializer):
    """A cluster and how many keywords it has."""

    keyword_count = serializers.IntegerField(source="keywords.count", read_only=True)

    class Meta:
        model = Cluster
        fields = ["id", "account_id", "name", "keyword_count"]
        read_only_fields = ["account_id"]


class KeywordSerializer(serializers.ModelSerializer):
    """A keyword; its difficulty is a percentage."""

    cluster = OwnClusters(allow_null=True, required=False)
    difficulty = serializers.IntegerField(min_value=0, max_value=100, default=0)

    class Meta:
        model = Keyword
        fields = ["id", "account_id", "term", "volume", "difficulty", "cluster"]
        read_only_fields = ["account_id"]


class Clusters(AccountViewSet):
    """`/api/v1/planner/clusters/`"""

    serializer_class = ClusterSerializer


class Keywords(AccountViewSet):
    """`/api/v1/planner/keywords/`"""

    serializer_class = KeywordSerializer
