# Says whether PyJWT takes a token, as its documentation does it, by the key set beside this file.
# usage: verify.py TOKEN AUDIENCE
import json
import sys

import jwt

token, audience = sys.argv[1:]
keys = jwt.PyJWKSet.from_dict(json.load(open("jwks.json")))
try:
    header = jwt.get_unverified_header(token)
    claims = jwt.decode(
        token,
        keys[header["kid"]].key,
        algorithms=["ES256", "RS256", "EdDSA"],
        issuer="https://own.example",
        audience=audience,
        options={"require": ["exp", "iat", "iss", "aud", "sub"]},
    )
    print("good", claims["sub"])
except (jwt.InvalidTokenError, KeyError) as error:
    print("refused", type(error).__name__)
