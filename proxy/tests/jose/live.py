"""Makes tokens of other issuers that are good now, with joserfc: prints key set and tokens as one JSON object.

Usage: live.py SECRET_FILE AUD
"""

import json
import sys
import time

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

secret_file, aud = sys.argv[1:]
with open(secret_file, "rb") as file:
    secret = OctKey.import_key(file.read().rstrip(b"\n"))
now = int(time.time())
rsa = RSAKey.generate_key(2048, {"kid": "rsa"}, private=True)
p256 = ECKey.generate_key("P-256", {"kid": "ec"}, private=True)
claims = {"iss": "https://acme.example/", "aud": aud, "sub": "9", "org": "7", "role": "editor", "iat": now, "exp": now + 3600}
shop = {"iss": "shop", "aud": aud, "sub": "9", "tenant": 7, "iat": now, "exp": now + 3600}


def encode(algorithm, kid, payload, key):
    header = {"alg": algorithm, "typ": "JWT", **({"kid": kid} if kid else {})}
    return jwt.encode(header, payload, key, algorithms=[algorithm])


print(json.dumps({
    "jwks": {"keys": [rsa.as_dict(private=False), p256.as_dict(private=False)]},
    "rsa": encode("RS256", "rsa", claims, rsa),
    "ec": encode("ES256", "ec", claims, p256),
    "staff": encode("ES256", "ec", {**claims, "platform_role": "admin", "is_superuser": True, "role": "owner"}, p256),
    "shop": encode("HS256", None, shop, secret),
    "short": encode("ES256", "ec", {**claims, "exp": now + 2}, p256),
    "as_core": encode("ES256", "ec", {**claims, "iss": "igny8-core"}, p256),
    "phantom": encode("ES256", "ec", {**claims, "aud": "igny8-app"}, p256),
}))
