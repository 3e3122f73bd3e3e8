"""Whose rows a request may see: those of the user's account; a superuser sees everybody's."""


def of_account(model, user):
    """The rows of `model` that `user` may see."""
    if user.is_superuser:
        return model.objects.order_by("id")
    account = getattr(user, "account_id", None)
    return model.objects.filter(account_id=account).order_by("id") if account is not None else model.objects.none()
