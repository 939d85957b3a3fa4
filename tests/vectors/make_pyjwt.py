#!/usr/bin/env python3
"""Writes pyjwt.json (a token of every algorithm made by PyJWT) and keys.json (public keys in other
spellings, good and weak, made by cryptography) beside itself. Every run makes new keys.

    python3 -m venv target/venv && target/venv/bin/pip install pyjwt cryptography
    target/venv/bin/python tests/vectors/make_pyjwt.py
"""

import base64
import json
import pathlib
import secrets
import uuid

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, ed448, rsa, x25519
from jwt.algorithms import get_default_algorithms

HERE = pathlib.Path(__file__).parent
EXPIRES = 4102444800  # 2100-01-01
ISSUED = 1767225600  # 2026-01-01


def claims():
    return {
        "iss": "https://issuer.example",
        "aud": "api",
        "sub": str(uuid.uuid4()),
        "iat": ISSUED,
        "exp": EXPIRES,
        "jti": secrets.token_hex(8),
        "name": "Zoë 🐘",
    }


def pem(public, style=serialization.PublicFormat.SubjectPublicKeyInfo):
    return public.public_bytes(serialization.Encoding.PEM, style).decode()


def jwk(algorithm, public):
    made = get_default_algorithms()[algorithm].to_jwk(public)
    members = json.loads(made) if isinstance(made, str) else made
    return {name: members[name] for name in ("kty", "crv", "n", "e", "x", "y") if name in members}


def uint(number):
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def rsa_jwk(public):
    numbers = public.public_numbers()
    return {"kty": "RSA", "n": uint(numbers.n), "e": uint(numbers.e)}


def private_key(algorithm):
    curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
    if algorithm in curves:
        return ec.generate_private_key(curves[algorithm])
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, {"256": 2048, "384": 3072, "512": 4096}[algorithm[2:]])


def token_entry(algorithm):
    kid = f"pyjwt-{algorithm.lower()}"
    entry = {"alg": algorithm, "kid": kid}
    if algorithm.startswith("HS"):
        key = secrets.token_bytes(int(algorithm[2:]) // 8)
        entry["secret"] = base64.urlsafe_b64encode(key).decode().rstrip("=")
    else:
        key = private_key(algorithm)
        entry["jwk"] = jwk(algorithm, key.public_key())
        entry["pem"] = pem(key.public_key())
    entry["token"] = jwt.encode(claims(), key, algorithm=algorithm, headers={"kid": kid})
    entry["token_without_kid"] = jwt.encode(claims(), key, algorithm=algorithm)
    return entry


def key_entries():
    strong = rsa.generate_private_key(65537, 2048).public_key()
    small = rsa.generate_private_key(65537, 1024).public_key()
    three = rsa.generate_private_key(3, 2048).public_key()
    point = ec.generate_private_key(ec.SECP256R1()).public_key()
    compressed = point.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
    )
    header = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
    body = base64.b64encode(header + compressed).decode()
    return {
        "rsa_pkcs1": {"jwk": rsa_jwk(strong), "pem": pem(strong, serialization.PublicFormat.PKCS1)},
        "rsa_spki": {"jwk": rsa_jwk(strong), "pem": pem(strong)},
        "rsa_1024": {"jwk": rsa_jwk(small), "pem": pem(small)},
        "rsa_exponent_3": {"jwk": rsa_jwk(three), "pem": pem(three)},
        "p256_compressed": {"pem": f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"},
        "secp256k1": {"pem": pem(ec.generate_private_key(ec.SECP256K1()).public_key())},
        "ed448": {"pem": pem(ed448.Ed448PrivateKey.generate().public_key())},
        "x25519": {"pem": pem(x25519.X25519PrivateKey.generate().public_key())},
    }


def write(name, content):
    (HERE / name).write_text(json.dumps(content, indent=1) + "\n")


ALGORITHMS = "HS256 HS384 HS512 RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA"
write("pyjwt.json", [token_entry(algorithm) for algorithm in ALGORITHMS.split()])
write("keys.json", key_entries())
