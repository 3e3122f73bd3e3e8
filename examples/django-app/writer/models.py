"""Drafts, and what writing them costs."""

from django.db import models

WORDS_PER_CREDIT = 100


def credit_cost(words):
    """Credits for a draft of so many words: one for each hundred begun, and never none."""
    return max(1, -(-words // WORDS_PER_CREDIT))


class Draft(models.Model):
    """A text being written. Its cost is fixed when it is created."""

    account_id = models.BigIntegerField(db_index=True)
    title = models.CharField(max_length=200)
    body = models.TextField(blank=True)
    words = models.PositiveIntegerField(default=500)
    credit_cost = models.PositiveIntegerField(editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self):
        return self.title

    def save(self, *args, **kwargs):
        """Records the cost with the first save."""
        if self.credit_cost is None:
            self.credit_cost = credit_cost(self.words)
        super().save(*args, **kwargs)
