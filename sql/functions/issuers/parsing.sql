-- The functions are in src/pg/functions/keys.rs.

comment on function auth_internal.parse_jwks is 'The entries of a JWK Set, or of an object of certificates by kid; of one that is skipped the reason. 22023 with the reason.';
comment on function auth_internal.parse_jwt_key is 'A public key from JWK, PEM or a PEM certificate; 22023 with the reason.';
comment on function auth_internal.check_jwt_secret is '22023 unless these bytes can be a secret for the algorithm.';
