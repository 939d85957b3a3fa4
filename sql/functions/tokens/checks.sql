-- What SQL asks of the library: src/pg/functions/tokens.rs.

comment on function auth_internal.generate_signing_key is 'A new signing key for this algorithm, named like this: the private key as PKCS #8 or the secret, and the public key as JWK. 22023 for an algorithm that we do not sign with.';
comment on function auth_internal.sign_jwt is 'The token with this payload, signed with a key of ours; noted in the server log. 55000 where the private key is missing.';
comment on function auth_internal.demand_accepted is '22023 unless auth.authenticate() would accept this token now, as that of this user and, unless it is NULL, session.';
comment on function auth_internal.origin_of_identity is 'What can be revoked of the token that the identity came from; no row without one.';
comment on function auth_internal.revocable_token is 'What can be revoked of a token that is good, or was until it was revoked or expired. 28000 for any other.';
comment on function auth_internal.looks_like_token is 'Does this text look like a token, rather than like the id of one? NULL for NULL.';
