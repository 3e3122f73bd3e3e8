"""Keywords, and the clusters they are grouped in."""

from django.db import models


class Cluster(models.Model):
    """A group of keywords that one article can answer."""

    account_id = models.BigIntegerField(db_index=True)
    name = models.CharField(max_length=120)

    def __str__(self):
        return self.name


class Keyword(models.Model):
    """A search term. `volume` is searches a month; `difficulty` goes from 0 to 100."""

    account_id = models.BigIntegerField(db_index=True)
    term = models.CharField(max_length=200)
    volume = models.PositiveIntegerField(default=0)
    difficulty = models.PositiveSmallIntegerField(default=0)
    cluster = models.ForeignKey(Cluster, null=True, blank=True, on_delete=models.SET_NULL, related_name="keywords")

    def __str__(self):
        return self.term
