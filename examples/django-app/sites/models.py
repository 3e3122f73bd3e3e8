"""The web sites that an account publishes to."""

from django.db import models


class Site(models.Model):
    """A site. One account has a domain once."""

    account_id = models.BigIntegerField(db_index=True)
    name = models.CharField(max_length=120)
    domain = models.CharField(max_length=253)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "domain"], name="one_domain_per_account")]

    def __str__(self):
        return self.domain
