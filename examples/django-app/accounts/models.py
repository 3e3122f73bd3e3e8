"""People. An account is the tenant that everything else belongs to."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person who signs in to this app itself: staff at /admin/, or anybody by a token."""

    account_id = models.BigIntegerField(null=True, blank=True, db_index=True)
    role = models.CharField(max_length=16, default="viewer")
