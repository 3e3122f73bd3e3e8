"""The edge of an app that stands behind igny8: about 60 lines of code, written to be copied into your own project.

Copy this folder, then:

1. `MIDDLEWARE`: put `"edge.middleware.EdgeMiddleware"` first.
2. Django REST framework: add `"edge.rest.EdgeAuthentication"` to `DEFAULT_AUTHENTICATION_CLASSES`.
3. `urls.py`: `path("internal/session/", edge.views.session)`.
4. Settings: `IGNY8_EDGE_SECRET_FILE` (None: nothing stands in front, identity fields are never believed) and
   `IGNY8_EDGE_REQUIRED` (True: whatever did not come through igny8 is refused).

`docs/edge.md` of igny8 has the exact bytes that are signed and test vectors. Nothing here needs
a model or a migration.
"""
