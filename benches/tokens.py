"""Keys and tokens for the benchmarks, made by PyJWT: psql commands on standard output, tokens in files."""
import hashlib, json, pathlib, sys, time, uuid
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER = "https://bench.example"
MEMBERS = "https://members.example"
ORG = "0a000000-0000-4000-8000-000000000007"
out = pathlib.Path(sys.argv[1])
secret = "a secret of the benchmarks, 32 bytes or more"
private = {
    "HS256": secret,
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def public_jwk(alg):
    algorithm = jwt.get_algorithm_by_name(alg) if hasattr(jwt, "get_algorithm_by_name") else None
    algorithm = algorithm or jwt.algorithms.get_default_algorithms()[alg]
    return {**json.loads(algorithm.to_jwk(private[alg].public_key())), "alg": alg, "kid": alg, "use": "sig"}


def token(alg, org=ORG, issuer=ISSUER, user=None, **more):
    now = int(time.time())
    claims = {"iss": issuer, "sub": user or str(uuid.uuid4()), "org_id": org, "role": "authenticated",
              "email": "someone@customer.example", "iat": now, "exp": now + 36000, **more}
    return jwt.encode(claims, private[alg], algorithm=alg, headers={"kid": alg})


keys = {alg: public_jwk(alg) for alg in private if alg != "HS256"}
(out / "jwks.json").write_text(json.dumps({"keys": list(keys.values())}))
for alg in private:
    (out / f"{alg}.token").write_text(token(alg))
    (out / f"{alg}.many").write_text("".join(token(alg) + "\n" for _ in range(500)))
    key = {"secret": secret} if alg == "HS256" else {"jwk": keys[alg]}
    (out / f"{alg}.key").write_text(json.dumps(key))
# Tokens of users of one to a thousand of the thousand organizations of rows.sh and policies.sh.
orgs = [str(uuid.UUID(hashlib.md5(f"org{n}".encode()).hexdigest())) for n in range(1000)]
for name, count in {"one": 1, "ten": 10, "hundred": 100, "thousand": 1000, "admin": 1}.items():
    user, some = str(uuid.uuid4()), orgs[:count]
    rights = {"org_role": "admin", "permissions": ["docs.admin"]} if name == "admin" else {}
    # A thousand do not fit into a token: they are rows.
    names = (None, MEMBERS) if count == 1000 else (some if count > 1 else some[0], ISSUER)
    (out / f"{name}.token").write_text(token("HS256", *names, user, **rights))
    (out / f"{name}.orgs").write_text(",".join(some))
    (out / f"{name}.user").write_text(user)
# Tokens of users whose organizations are rows, for memberships.sh.
for count in 0, 3, 1000, 10000:
    for table in "ours", "registered":
        user = f"{table} {count}"
        (out / f"{table}_{count}.token").write_text(token("HS256", None, MEMBERS, user))
# The same for grants.sh.
for role in "none", "member", "ordinary", "largest":
    (out / f"granted_{role}.token").write_text(token("HS256", None, MEMBERS, f"granted {role}"))
print(f"select auth.add_issuer('{MEMBERS}');")
print(f"select auth.add_jwt_secret('{MEMBERS}', '{secret}', kid => 'HS256');")
print(f"select auth.add_issuer('{ISSUER}', memberships_from_claims => true);")
print(f"select auth.add_jwt_secret('{ISSUER}', '{secret}', kid => 'HS256');")
print(f"select auth.load_jwks('{ISSUER}', pg_read_file('{out}/jwks.json'));")
