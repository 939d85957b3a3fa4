"""Plays the sign-in services of two tenants, with a JWT library that is not ours.

usage: make_tokens.py DIRECTORY

Writes a file for each key that schema.sql loads and for each token (*.jwt) of the demo.
"""

import base64
import json
import pathlib
import secrets
import sys
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

ACME = {
    "iss": "https://acme.example",
    "sub": "11111111-0000-4000-8000-000000000000",
    "email": "ada@acme.example",
    "org_id": "aaaaaaaa-0000-4000-8000-000000000000",
}
BETA = {
    "iss": "https://beta.example",
    "sub": "22222222-0000-4000-8000-000000000000",
    "email": "bo@beta.example",
    "org_id": "bbbbbbbb-0000-4000-8000-000000000000",
}
KEY_ID = "acme-1"
DAY = 24 * 60 * 60


def claims_of(user, valid_for):
    """The user's claims, issued now; a negative time makes a token that has run out."""
    now = int(time.time())
    return user | {"aud": "api", "iat": now + min(valid_for, 0) - 1, "exp": now + valid_for}


def public_jwks(key):
    """The public half of an ES256 key as a JWKS (RFC 7517)."""
    point = key.public_key().public_numbers()

    def coordinate(number):
        return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()

    parameters = {"kty": "EC", "crv": "P-256", "x": coordinate(point.x), "y": coordinate(point.y)}
    return {"keys": [parameters | {"kid": KEY_ID, "alg": "ES256", "use": "sig"}]}


def main():
    directory = pathlib.Path(sys.argv[1])
    acme_key = ec.generate_private_key(ec.SECP256R1())
    strangers_key = ec.generate_private_key(ec.SECP256R1())
    beta_secret = secrets.token_urlsafe(48)

    def by_acme(valid_for, key=acme_key):
        return jwt.encode(claims_of(ACME, valid_for), key, "ES256", headers={"kid": KEY_ID})

    files = {
        "acme_keys.json": json.dumps(public_jwks(acme_key)),
        "beta_secret": beta_secret,
        "acme.jwt": by_acme(30 * DAY),
        "beta.jwt": jwt.encode(claims_of(BETA, 30 * DAY), beta_secret, "HS256"),
        "forged.jwt": by_acme(30 * DAY, key=strangers_key),
        "expired.jwt": by_acme(-DAY),
    }
    for name, text in files.items():
        (directory / name).write_text(text)


main()
