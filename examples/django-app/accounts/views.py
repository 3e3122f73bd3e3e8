"""`whoami`: what the app believes about a request."""

from rest_framework.authentication import SessionAuthentication, TokenAuthentication
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView

from edge.rest import EdgeAuthentication

WAYS_IN = {EdgeAuthentication: "edge", SessionAuthentication: "session", TokenAuthentication: "token"}
SHOWN_FIELDS = (
    "X-Account-Id",
    "X-User-Id",
    "X-User-Role",
    "X-Request-Id",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
)


class WhoAmI(APIView):
    """Shows who the request was taken for and by what, the names of its cookies and its identity fields."""

    permission_classes = [AllowAny]

    def get(self, request):
        user = request.user
        known = user.is_authenticated
        return Response(
            {
                "user": user.get_username() if known else None,
                "user_id": user.pk if known else None,
                "account_id": user.account_id if known else None,
                "role": user.role if known else None,
                "is_staff": user.is_staff,
                "is_superuser": user.is_superuser,
                "authenticated_by": WAYS_IN.get(type(request.successful_authenticator)),
                "cookies": sorted(request.COOKIES),
                "path": request.path,
                "headers": {name: request.headers[name] for name in SHOWN_FIELDS if name in request.headers},
            }
        )
