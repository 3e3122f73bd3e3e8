"""Tells how Django reads cookies and paths: one JSON line in, one JSON line out.

In:  {"cookies": [latin-1 text, ...]}, {"morsels": [latin-1 text, ...]} or {"paths": [text, ...]}
Out: for each Cookie field the dict that Django makes of it, and every pair as Django splits and strips it;
     for each field of morsels the names that Python's own http.cookies finds in it, which ends values at white space;
     for each path what WSGI hands to Django as PATH_INFO and Django takes for the path, as latin-1 text.
"""

import json
import sys
from http.cookies import CookieError, SimpleCookie
from urllib.parse import unquote_to_bytes

import django
from django.conf import settings
from django.core.handlers.wsgi import get_path_info
from django.http.cookie import parse_cookie

settings.configure(USE_TZ=True)
django.setup()


def pairs(field):
    for part in field.split(";"):
        name, _, value = part.partition("=")
        yield [name.strip(), value.strip()]


def names(field):
    jar = SimpleCookie()
    try:
        jar.load(field)
    except CookieError:
        pass
    return list(jar)


for line in sys.stdin:
    asked = json.loads(line)
    if "cookies" in asked:
        told = [[parse_cookie(field), list(pairs(field))] for field in asked["cookies"]]
    elif "morsels" in asked:
        told = [names(field) for field in asked["morsels"]]
    else:
        # What a WSGI server puts into the environment: the path decoded once, as latin-1 (PEP 3333).
        told = []
        for path in asked["paths"]:
            environ = {"PATH_INFO": unquote_to_bytes(path).decode("latin-1"), "SCRIPT_NAME": ""}
            told.append(get_path_info(environ).encode("utf-8", "surrogateescape").decode("latin-1"))
    print(json.dumps(told), flush=True)
