"""The proxy's identity as Django REST framework's `request.user`."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed


class EdgeUser:
    """Who the proxy says is asking. It has an account and a role there; in this app it is never staff."""

    is_authenticated = is_active = True
    is_anonymous = is_staff = is_superuser = False

    def __init__(self, identity):
        self.id = self.pk = int(identity.user)
        self.account_id = int(identity.account)
        self.role = identity.role

    def __str__(self):
        return f"user-{self.id}"

    get_username = __str__


class EdgeAuthentication(BaseAuthentication):
    """Authenticates by what `EdgeMiddleware` verified."""

    def authenticate(self, request):
        identity = getattr(request._request, "edge", None)
        if not (identity and identity.account and identity.user):
            return None
        # Accounts of other issuers have names with a prefix; this app keeps accounts by the core's numbers.
        if not (identity.account.isdecimal() and identity.user.isdecimal()):
            raise AuthenticationFailed("This app knows accounts of the core only.")
        return EdgeUser(identity), None

    def authenticate_header(self, request):
        return "Bearer"
