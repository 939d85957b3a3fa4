"""Fills in the configuration of nginx and PostgREST that lies beside this script.

usage: make.py DIRECTORY [NAME=VALUE …]

Makes a certificate that signs itself, the secret of PostgREST, and the token that nginx sends it. Then
    postgrest DIRECTORY/postgrest.conf
    nginx -p DIRECTORY -c DIRECTORY/nginx.conf
run as one user who is not root.
"""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import secrets
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent

DEFAULTS = {
    "DB_URI": "postgres://authenticator@/postgres",
    "ANON_ROLE": "web_anon",
    "USER_ROLE": "web_user",
    "TLS_LISTEN": "8443 ssl",
    "PLAIN_LISTEN": "8080",
    "ORIGIN": "https://app.example.com",
    # Tries to sign in of one network: in a minute, and at once besides the first.
    "SIGN_INS": "10",
    "SIGN_IN_BURST": "9",
}


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(secret, claims):
    """A JSON Web Token, signed with HS256 (RFC 7519)."""
    parts = [{"alg": "HS256", "typ": "JWT"}, claims]
    text = ".".join(base64url(json.dumps(part).encode()) for part in parts)
    return text + "." + base64url(hmac.digest(secret.encode(), text.encode(), hashlib.sha256))


def make_certificate(directory):
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "365", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command += ["-keyout", directory / "certificate.key", "-out", directory / "certificate.pem"]
    subprocess.run(command, check=True, capture_output=True)


def main():
    os.umask(0o077)
    directory = pathlib.Path(sys.argv[1]).absolute()
    for name in ["private", "tmp"]:
        (directory / name).mkdir(parents=True, exist_ok=True)
    values = DEFAULTS | dict(argument.split("=", 1) for argument in sys.argv[2:])
    unknown = values.keys() - DEFAULTS.keys()
    if unknown:
        sys.exit(f"make.py: unknown: {', '.join(unknown)}")
    secret = secrets.token_urlsafe(48)
    (directory / "postgrest.secret").write_text(secret)
    make_certificate(directory)
    values |= {"DIR": str(directory), "POSTGREST_TOKEN": token(secret, {"role": values["USER_ROLE"]})}
    for page in [*HERE.glob("*.html"), *HERE.glob("*.js")]:
        (directory / page.name).write_text(page.read_text())
    for template in HERE.glob("*.conf"):
        text = template.read_text()
        for name, value in values.items():
            text = text.replace(f"@{name}@", value)
        (directory / template.name).write_text(text)


main()
