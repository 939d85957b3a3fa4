-- The functions are in src/pg/functions/keys.rs.

comment on function auth_internal.parse_jwks is 'The usable keys of a JWK Set; 22023 with the reason.';
comment on function auth_internal.parse_jwt_key is 'A public key from JWK or PEM; 22023 with the reason.';
comment on function auth_internal.check_jwt_secret is '22023 unless these bytes can be a secret for the algorithm.';
