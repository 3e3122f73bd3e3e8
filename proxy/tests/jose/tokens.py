"""Prints keys and tokens as one JSON object: good ones, and attacks by name.

The good ones are made by joserfc alone. An attack is often no token that a library would make, so its bytes are put
together here and signed with the same keys by the cryptography package.
"""

import base64
import hashlib
import hmac
import json

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

NOW = 1_800_000_000
CORE, ACME, SHOP = "igny8-core", "https://acme.example/", "shop"
AUD = "igny8-api"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493

ed = OKPKey.generate_key("Ed25519", {"kid": "ed"}, private=True)
p256 = ECKey.generate_key("P-256", {"kid": "ec"}, private=True)
rsa2048 = RSAKey.generate_key(2048, {"kid": "rsa"}, private=True)
attacker_rsa = RSAKey.generate_key(2048, {"kid": "rsa"}, private=True)
attacker_ed = OKPKey.generate_key("Ed25519", {"kid": "ed"}, private=True)
rsa1024 = rsa.generate_private_key(65537, 1024)
rsa_e3 = rsa.generate_private_key(3, 2048)
secret = b"correct horse battery staple, and then some more"
oct_key = OctKey.import_key(secret)


def b64(data):
    if isinstance(data, str):
        data = data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def rsa_jwk(kid, numbers):
    return {"kty": "RSA", "kid": kid, "n": number(numbers.n), "e": number(numbers.e)}


def public(key):
    return key.as_dict(private=False)


def sign_raw(signed, how, key):
    message = signed.encode() if isinstance(signed, str) else signed
    if how == "EdDSA":
        return key.private_key.sign(message)
    if how == "ES256":
        r, s = decode_dss_signature(key.private_key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    if how in ("RS256", "RS384", "RS512"):
        private = getattr(key, "private_key", key)
        algorithm = {"RS256": hashes.SHA256, "RS384": hashes.SHA384, "RS512": hashes.SHA512}[how]()
        return private.sign(message, padding.PKCS1v15(), algorithm)
    if how == "PS256":
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
        return key.private_key.sign(message, pss, hashes.SHA256())
    if how == "HS256":
        return hmac.new(key, message, hashlib.sha256).digest()
    raise ValueError(how)


def token(header, payload, how, key):
    header = header if isinstance(header, (str, bytes)) else json.dumps(header)
    payload = payload if isinstance(payload, (str, bytes)) else json.dumps(payload)
    signed = f"{b64(header)}.{b64(payload)}"
    return f"{signed}.{b64(sign_raw(signed, how, key))}"


def core_claims(**changes):
    claims = {
        "iss": CORE, "aud": AUD, "sub": "42", "account_id": 7, "role": "owner", "sid": "s-1", "account_epoch": 0,
        "user_epoch": 0, "iat": NOW, "nbf": NOW, "exp": NOW + 300, "jti": "j-1",
    }
    return changed(claims, changes)


def acme_claims(**changes):
    return changed({"iss": ACME, "aud": AUD, "sub": "9", "org": "7", "iat": NOW, "exp": NOW + 300}, changes)


def shop_claims(**changes):
    return changed({"iss": SHOP, "aud": AUD, "sub": "9", "tenant": 7, "iat": NOW, "exp": NOW + 300}, changes)


def changed(claims, changes):
    claims = {**claims, **changes}
    return {name: value for name, value in claims.items() if value is not ...}


CORE_HEADER = {"alg": "EdDSA", "typ": "at+jwt", "kid": "ed"}
EC_HEADER = {"alg": "ES256", "typ": "JWT", "kid": "ec"}
RSA_HEADER = {"alg": "RS256", "typ": "JWT", "kid": "rsa"}
SHOP_HEADER = {"alg": "HS256", "typ": "JWT"}


def core(header=None, how="EdDSA", key=ed, raw=None, **claims):
    return token({**CORE_HEADER, **(header or {})}, raw or core_claims(**claims), how, key)


def acme_ec(header=None, how="ES256", key=p256, raw=None, **claims):
    return token({**EC_HEADER, **(header or {})}, raw or acme_claims(**claims), how, key)


def acme_rsa(header=None, how="RS256", key=rsa2048, raw=None, **claims):
    return token({**RSA_HEADER, **(header or {})}, raw or acme_claims(**claims), how, key)


def shop(header=None, how="HS256", key=secret, raw=None, **claims):
    return token({**SHOP_HEADER, **(header or {})}, raw or shop_claims(**claims), how, key)


def encode(header, claims, key, algorithm):
    return jwt.encode(header, claims, key, algorithms=[algorithm])


good = {
    "core": encode(CORE_HEADER, core_claims(), ed, "EdDSA"),
    "acme_ec": encode(EC_HEADER, acme_claims(), p256, "ES256"),
    "acme_rsa": encode(RSA_HEADER, acme_claims(), rsa2048, "RS256"),
    "shop": encode(SHOP_HEADER, shop_claims(), oct_key, "HS256"),
    "shop_with_a_kid": encode({**SHOP_HEADER, "kid": "2024"}, shop_claims(), oct_key, "HS256"),
    "acme_that_claims_to_be_staff": acme_ec(
        platform_role="admin", is_superuser=True, is_staff=True, role="owner", account_id=1, account_epoch=0
    ),
    "acme_with_another_issuers_prefix": acme_ec(org="shop-7"),
}

attacks = {}


def attack(name, *tokens):
    assert name not in attacks and tokens
    attacks[name] = list(tokens)


def unsigned(alg, header, claims):
    body = f"{b64(json.dumps({**header, 'alg': alg}))}.{b64(json.dumps(claims))}"
    return [f"{body}.", body, f"{body}.{b64(b'x')}"]


issuers = [(CORE_HEADER, core_claims()), (EC_HEADER, acme_claims()), (RSA_HEADER, acme_claims()), (SHOP_HEADER, shop_claims())]
attack("alg_none", *[one for alg in ("none", "None", "NONE", "nOnE", "") for header, claims in issuers for one in unsigned(alg, header, claims)])

pem = rsa2048.public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
der = rsa2048.public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
rsa_public = public(rsa2048)
secrets = [pem, pem.strip(), der, json.dumps(rsa_public).encode(), rsa_public["n"].encode(), base64.urlsafe_b64decode(rsa_public["n"] + "==")]
attack(
    "hs256_with_a_public_key",
    *[acme_rsa({"alg": "HS256"}, "HS256", one) for one in secrets],
    *[core({"alg": "HS256"}, "HS256", one) for one in (public(ed)["x"].encode(), base64.urlsafe_b64decode(public(ed)["x"] + "="))],
)
attack(
    "another_alg_of_the_same_key",
    *[acme_rsa({"alg": how}, how) for how in ("RS384", "RS512", "PS256")],
    acme_rsa({"alg": "ES256"}), acme_ec({"alg": "RS256"}), acme_ec({"alg": "EdDSA"}), core({"alg": "Ed25519"}),
    core({"alg": ["EdDSA"]}), core({"alg": None}), shop({"alg": "HS512"}),
)
attack(
    "kid_injection",
    *[core({"kid": kid}, key=attacker_ed) for kid in ("../../../dev/null", "' OR 1=1 --", "ed\0", "ed ", "ED", "", "https://evil/keys", 0, True, None, ["ed"], {"kid": "ed"}, "x" * 300)],
    *[acme_rsa({"kid": kid}, key=attacker_rsa) for kid in ("rsa", "ec", "../rsa")],
    *[acme_rsa({"alg": "HS256", "kid": kid}, "HS256", b"") for kid in ("rsa", "/dev/null", "")],
)
attack(
    "keys_in_the_header",
    core({"jwk": public(attacker_ed)}, key=attacker_ed),
    core({"jku": "https://evil.example/keys"}, key=attacker_ed),
    core({"x5u": "https://evil.example/cert"}, key=attacker_ed),
    core({"x5c": ["MIIB"]}, key=attacker_ed),
    acme_rsa({"jwk": public(attacker_rsa)}, key=attacker_rsa),
    acme_rsa({"jku": "http://127.0.0.1/keys"}), acme_rsa({"x5u": ""}), core({"jku": None}),
)
attack("crit", core({"crit": ["exp"]}), core({"crit": []}), acme_ec({"crit": ["x"], "x": 1}), shop({"crit": None}))
plain = f"{b64(json.dumps({**CORE_HEADER, 'b64': False, 'crit': ['b64']}))}.{json.dumps(core_claims())}"
attack("b64", core({"b64": False}), core({"b64": True}), f"{plain}.{b64(sign_raw(plain, 'EdDSA', ed))}")
body = json.dumps(acme_claims())
attack(
    "duplicate_names",
    token('{"alg":"EdDSA","alg":"none","typ":"at+jwt","kid":"ed"}', core_claims(), "EdDSA", ed),
    token('{"alg":"none","alg":"EdDSA","typ":"at+jwt","kid":"ed"}', core_claims(), "EdDSA", ed),
    token('{"alg":"EdDSA","typ":"at+jwt","kid":"ed","k\\u0069d":"ed"}', core_claims(), "EdDSA", ed),
    acme_ec(raw=body[:-1] + ', "org": "8"}'),
    acme_ec(raw=body[:-1] + ', "\\u006frg": "8"}'),
    acme_ec(raw=body[:-1] + f', "iss": "{ACME}"' + "}"),
    acme_ec(raw=body[:-1] + ', "note": {"a": 1, "a": 2}}'),
    core(raw=json.dumps(core_claims())[:-1] + ', "account_id": 1}'),
)
attack(
    "wrong_typ",
    core({"typ": "JWT"}), core({"typ": "dpop+jwt"}), core({"typ": ["at+jwt"]}), core({"typ": None}), core({"typ": ""}),
    core({"typ": "application/application/at+jwt"}), core({"typ": "text/at+jwt"}), acme_ec({"typ": "at+jwt"}), acme_ec({"typ": "logout+jwt"}),
    token({"alg": "EdDSA", "kid": "ed"}, core_claims(), "EdDSA", ed), token({"alg": "ES256", "kid": "ec"}, acme_claims(), "ES256", p256),
)
attack(
    "wrong_aud",
    core(aud=[AUD]), core(aud=[AUD, "x"]), core(aud="IGNY8-API"), core(aud=AUD + " "), core(aud=...), core(aud=None), core(aud={"aud": AUD}),
    acme_ec(aud=["x", "y"]), acme_ec(aud=[]), acme_ec(aud=[[AUD]]), acme_ec(aud=[AUD, 1]), acme_ec(aud="x"), acme_ec(aud=...), shop(aud="acme"),
)
attack("a_token_for_the_app_at_the_public_edge", core(aud="igny8-app"), core(aud=["igny8-app", AUD]))
attack("exp_missing", core(exp=...), acme_ec(exp=...), shop(exp=...), core(exp=None))
attack(
    "exp_of_another_form",
    *[make(exp=exp) for make in (core, acme_ec, shop) for exp in (NOW + 300.5, str(NOW + 300), True, [NOW + 300], 1e300, 10**30, 2**63 - 1, 2**63, 2**64, -1, 253402300800)],
    acme_ec(raw=body.replace(str(NOW + 300), "1e999")), acme_ec(raw=body.replace(str(NOW + 300), "NaN")), acme_ec(raw=body.replace(str(NOW + 300), "Infinity")),
)
attack("expired", core(exp=NOW - 60), acme_ec(exp=NOW - 60), acme_rsa(exp=NOW - 10), shop(exp=0))
attack("nbf_in_the_future", core(nbf=NOW + 60), acme_ec(nbf=NOW + 60), shop(nbf=NOW + 11), shop(nbf=str(NOW)), shop(nbf=1.5))
attack("iat_in_the_future", core(iat=NOW + 60), acme_rsa(iat=NOW + 60), shop(iat=NOW + 11), shop(iat="now"))
attack(
    "trailing_data",
    *[good["core"] + tail for tail in (".", "..", ".x", "\n", " ", "\0", "=", "==", "%3D", good["core"])],
    core(raw=json.dumps(core_claims()) + "{}"), core(raw=json.dumps(core_claims()) + "\0"),
    token(json.dumps(CORE_HEADER) + "{}", core_claims(), "EdDSA", ed),
)


def padded(one):
    parts = one.split(".")
    return [".".join(part + "=" * (-len(part) % 4 or 4) if place == index else part for place, part in enumerate(parts)) for index in range(3)]


def trailing_bits(one):
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return one[:-1] + alphabet[alphabet.index(one[-1]) + 1]


attack("padded_base64", *[one for name in ("core", "acme_ec", "acme_rsa", "shop") for one in padded(good[name])])
attack("another_base64", *[good[name].replace("-", "+").replace("_", "/") for name in ("acme_rsa",)], trailing_bits(good["core"]), trailing_bits(good["shop"]))
half = len(good["core"]) // 2
attack("white_space", *[good["core"][:half] + blank + good["core"][half:] for blank in " \t\n\r\v\f"], " " + good["core"], good["core"].replace(".", " ."), good["core"].replace(".", ". "))
attack("oversized", core(note="x" * 9000), acme_rsa(note="x" * 9000), "x" * 100_000, "." * 9000, "e30." * 3000)
attack("another_issuers_key", acme_ec(iss=CORE), token(EC_HEADER, core_claims(), "ES256", p256), token(CORE_HEADER, acme_claims(), "EdDSA", ed),
       token(SHOP_HEADER, acme_claims(), "HS256", secret), token({**SHOP_HEADER, "kid": "rsa"}, acme_claims(), "HS256", secret), acme_ec(iss=SHOP))
attack("iss_unknown", acme_ec(iss=ACME[:-1]), acme_ec(iss=ACME.upper()), acme_ec(iss=[ACME]), acme_ec(iss=...), acme_ec(iss=""), acme_ec(iss=None))
attack("account_that_is_no_name", *[acme_ec(org=org) for org in (..., None, "", "7 ", "7\r\nX-Account-Id: 1", "a,b", "a\0", "\u00e4", 7.5, -7, True, ["7"], {"id": 7}, "x" * 300)])
attack("sub_missing_or_no_user", acme_ec(sub=...), acme_ec(sub=""), acme_ec(sub=9), core(sub="042"), core(sub="-1"), core(sub=42), core(sub="0"), core(account_id=0), core(account_id="7"))

signed = f"{b64(json.dumps(EC_HEADER))}.{b64(json.dumps(acme_claims()))}"
raw = sign_raw(signed, "ES256", p256)
r, s = raw[:32], raw[32:]
zero, order = bytes(32), P256_ORDER.to_bytes(32, "big")
ones = (1).to_bytes(32, "big")
attack(
    "es256_out_of_range",
    *[f"{signed}.{b64(one)}" for one in (zero + zero, r + zero, zero + s, order + s, r + order, order + order, b"\xff" * 64, ones + ones, s + r, zero + ones)],
)
der_form = p256.private_key.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
forms = (der_form, raw[:63], raw + b"\0", b"\0" + raw, r, b"\0" * 96, b"\0" + r + b"\0" + s)
attack("es256_of_another_form", *[f"{signed}.{b64(form)}" for form in forms])
signed = f"{b64(json.dumps(CORE_HEADER))}.{b64(json.dumps(core_claims()))}"
raw = sign_raw(signed, "EdDSA", ed)
shifted = (int.from_bytes(raw[32:], "little") + ED25519_ORDER).to_bytes(32, "little")
attack("ed25519_malleable_or_null", *[f"{signed}.{b64(form)}" for form in (raw[:32] + shifted, bytes(64), ones[::-1] + bytes(32), raw[:63], raw + b"\0")])

small = rsa_jwk("small", rsa1024.public_key().public_numbers())
three = rsa_jwk("three", rsa_e3.public_key().public_numbers())
modulus = rsa2048.public_key.public_numbers().n
one = {"kty": "RSA", "kid": "one", "n": number(modulus), "e": "AQ"}
attack("rs256_with_1024_bits", acme_rsa({"kid": "small"}, key=rsa1024))
attack("rs256_with_a_small_exponent", acme_rsa({"kid": "three"}, key=rsa_e3))
signed = f"{b64(json.dumps({**RSA_HEADER, 'kid': 'one'}))}.{b64(json.dumps(acme_claims()))}"
info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(signed.encode()).digest()
forged = b"\0\1" + b"\xff" * (256 - 3 - len(info)) + b"\0" + info
attack("rs256_with_exponent_one", f"{signed}.{b64(forged)}")
signed = f"{b64(json.dumps(RSA_HEADER))}.{b64(json.dumps(acme_claims()))}"
raw = int.from_bytes(sign_raw(signed, "RS256", rsa2048), "big")
forms = (bytes(256), (raw + modulus).to_bytes(257, "big"), b"\0" + raw.to_bytes(256, "big"), raw.to_bytes(256, "big")[:-1], b"\1")
attack("rs256_of_another_form", *[f"{signed}.{b64(form)}" for form in forms])
published = {"kty": "oct", "kid": "published", "k": b64(b"k" * 32), "alg": "HS256"}
attack("a_secret_that_is_published", acme_rsa({"alg": "HS256", "kid": "published"}, "HS256", b"k" * 32))
attack("hs256_with_an_empty_or_short_key", *[shop(key=key) for key in (b"", b"\0", secret[:31], secret + b"\n", secret.hex().encode())])
signed = f"{b64(json.dumps(SHOP_HEADER))}.{b64(json.dumps(shop_claims()))}"
tag = sign_raw(signed, "HS256", secret)
forms = (tag[:16], tag[:31], tag + b"\0", tag + tag, b"\0")
attack("hs256_cut_short", *[f"{signed}.{b64(form)}" for form in forms])
parts = good["core"].split(".")
attack(
    "another_serialization",
    json.dumps({"payload": parts[1], "protected": parts[0], "signature": parts[2]}),
    json.dumps({"payload": parts[1], "signatures": [{"protected": parts[0], "signature": parts[2]}]}),
    f"{good['core']}.{parts[1]}.{parts[2]}", f"{parts[0]}..{parts[2]}", f".{parts[1]}.{parts[2]}", f"{parts[0]}.{parts[1]}", parts[0], "", ".", "..", "...",
    core({"cty": "JWT"}, raw=good["core"]), core(raw='"' + good["core"] + '"'), core(raw="[]"), core(raw="null"),
)
attack(
    "text_that_is_no_json",
    core(raw=b"\xef\xbb\xbf" + json.dumps(core_claims()).encode()), core(raw=json.dumps(core_claims()).encode("utf-16")),
    core(raw=json.dumps(core_claims())[:-1] + ', "note": "\\ud800"}'), core(raw=json.dumps(core_claims()).encode()[:-1] + b', "note": "\xff"}'),
    core(raw="[" * 3000), core(raw='{"a":' * 1000), core(raw=json.dumps(core_claims()).replace('"', "'")),
)

print(json.dumps({
    "now": NOW,
    "core_keys": {"keys": [public(ed)]},
    "acme_keys": {"keys": [public(p256), rsa_public, small, three, one, published]},
    "secret": secret.decode(),
    "good": good,
    "attacks": attacks,
}))
