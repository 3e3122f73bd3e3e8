"""A client that draws credits and makes sites through the proxy while containers are killed: load.py URL EMAIL PASSWORD DIR

It asks again with the same Idempotency-Key until a draw is answered, and writes each answered one down in DIR/answered, and the
id of each site that was answered in DIR/sites. It ends when there is a file DIR/stop and the draw under way is answered.
"""

import json
import pathlib
import sys
import time
import urllib.error
import urllib.request

url, email, password, folder = sys.argv[1:]
folder = pathlib.Path(folder)
# Whoever waits longer than this for one answer will not get one.
PATIENCE = 150
PAUSE = 0.1
# Draws must not outrun the account's credits.
MOST_DRAWS = 1900


def ask(path, body, token=None, key=None):
    """Status and JSON of a POST; (0, None) where nothing was answered."""
    fields = {"Content-Type": "application/json"}
    if token:
        fields["Authorization"] = f"Bearer {token}"
    if key:
        fields["Idempotency-Key"] = key
    request = urllib.request.Request(url + path, json.dumps(body).encode(), fields)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, None
    except (OSError, ValueError):
        return 0, None


def until_answered(what, wanted, again):
    """Asks until the answer is the wanted one."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        status, answer = again()
        if status in wanted:
            return answer
        time.sleep(PAUSE)
    sys.exit(f"{what} was not answered: {status}")


def sign_in():
    body = {"email": email, "password": password}
    return until_answered("sign-in", {200}, lambda: ask("/api/v1/auth/login/", body))["data"]["access"]


def main():
    token, until = sign_in(), time.monotonic() + 200
    with (folder / "answered").open("w", buffering=1) as answered, (folder / "sites").open("w", buffering=1) as sites:
        for number in range(MOST_DRAWS):
            if (folder / "stop").exists():
                return
            if time.monotonic() > until:
                token, until = sign_in(), time.monotonic() + 200
            draw = {"amount": 1, "description": f"draw {number}"}
            until_answered(
                "a draw", {200, 201}, lambda: ask("/api/v1/credits/consume/", draw, token, f"draw-{number}")
            )
            answered.write(f"{number}\n")
            site = {"name": f"Site {number}", "domain": f"site-{number}.example.com"}
            status, made = ask("/api/v1/sites/", site, token)
            if status == 201:
                sites.write(f"{made['id']}\n")
            time.sleep(PAUSE)
    sys.exit("the credits were used up")


main()
