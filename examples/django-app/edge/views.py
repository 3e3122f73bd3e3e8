"""What the proxy asks this app about its own sessions: whose is it (GET), and end it (DELETE)."""

from django.conf import settings
from django.http import Http404, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods


@never_cache
@csrf_exempt
@require_http_methods(["GET", "DELETE"])
def session(request):
    """Answers for the session in the cookie, to a request that carries the proxy's introspection signature."""
    if not settings.IGNY8_EDGE_SECRET_FILE:
        raise Http404
    if request.edge is None:
        return JsonResponse({"success": False, "error": "Only the proxy may ask.", "code": "edge_required"}, status=403)
    if request.method == "DELETE":
        request.session.flush()
        return HttpResponse(status=204)
    user = request.user
    return JsonResponse(
        {
            "authenticated": user.is_authenticated,
            "is_staff": user.is_staff,
            "is_superuser": user.is_superuser,
            "user_id": user.pk,
            "account_id": getattr(user, "account_id", None),
        }
    )
