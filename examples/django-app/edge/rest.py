"""The proxy's identity as Django REST framework's `request.user`."""

from rest_framework.authentication import BaseAuthentication


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
        return (EdgeUser(identity), None) if identity and identity.account and identity.user else None

    def authenticate_header(self, request):
        return "Bearer"
