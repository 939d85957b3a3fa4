-- What Supabase Auth does: a JWT with HS256 (RFC 7515, RFC 2104).
create function pg_temp.url(data bytea) returns text language sql return rtrim(translate(encode(data, 'base64'), E'+/\n', '-_'), '=');
create function pg_temp.pad(secret bytea, mark integer) returns bytea language sql return
    (select decode(string_agg(lpad(to_hex(case when n < length(secret) then get_byte(secret, n) else 0 end # mark), 2, '0'), '' order by n), 'hex')
       from generate_series(0, 63) n);
create function pg_temp.signed(secret bytea, claims jsonb) returns text language sql return
    (select i.input || '.' || pg_temp.url(sha256(pg_temp.pad(k.key, 92) || sha256(pg_temp.pad(k.key, 54) || i.input::bytea)))
       from (select pg_temp.url('{"alg":"HS256","typ":"JWT"}') || '.' || pg_temp.url(convert_to(claims::text, 'UTF8'))) i (input),
            (select case when length(secret) > 64 then sha256(secret) else secret end) k (key));
