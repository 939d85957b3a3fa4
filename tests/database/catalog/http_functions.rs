//! Functions of schema auth_http, and what they are made of, as in `functions.rs`.

pub(super) const HTTP_FUNCTIONS: &[(&str, &str)] = &[
    ("public", "auth_http.accept_invitation(text) jsonb: volatile unsafe plpgsql"),
    ("public", "auth_http.api_key_usage(uuid, date) TABLE(day date, uses bigint): stable unsafe sql"),
    (
        "public",
        "auth_http.create_api_key(text, uuid, text, text[], uuid, timestamp with time zone, cidr[], text[], text[], jsonb, text) jsonb: volatile unsafe plpgsql",
    ),
    (
        "public",
        "auth_http.create_invitation(text, text, uuid, interval, uuid) jsonb: volatile unsafe plpgsql",
    ),
    ("public", "auth_http.create_organization(text, text) jsonb: volatile unsafe plpgsql"),
    ("public", "auth_http.create_ticket() jsonb: volatile unsafe plpgsql"),
    (
        "public",
        "auth_http.create_token(text[], text[], uuid, uuid, text, timestamp with time zone, text, jsonb) jsonb: volatile unsafe sql",
    ),
    ("public", "auth_http.health() jsonb: stable unsafe sql"),
    ("public", "auth_http.jwks() jsonb: stable unsafe sql"),
    (
        "public",
        "auth_http.list_api_keys(uuid, boolean) TABLE(id uuid, name text, prefix text, created_at timestamp with time zone, last_used timestamp with time zone, kind text, environment text, scopes text[], expires_at timestamp with time zone, revoked_at timestamp with time zone, rotation_due_at timestamp with time zone, last4 text): stable unsafe sql",
    ),
    (
        "public",
        "auth_http.list_invitations(uuid) TABLE(id uuid, email text, role text, workspace_id uuid, created_at timestamp with time zone, expires_at timestamp with time zone, accepted_at timestamp with time zone, revoked_at timestamp with time zone): stable unsafe sql",
    ),
    (
        "public",
        "auth_http.list_members(uuid) TABLE(user_id text, role text, created_at timestamp with time zone, accepted boolean): stable unsafe sql",
    ),
    (
        "public",
        "auth_http.list_organizations() TABLE(id uuid, slug text, name text, external_id text, role text, created_at timestamp with time zone): stable unsafe sql",
    ),
    ("public", "auth_http.remove_member(text, uuid) jsonb: volatile unsafe plpgsql"),
    ("public", "auth_http.revoke_api_key(uuid, text) jsonb: volatile unsafe plpgsql"),
    ("public", "auth_http.revoke_invitation(uuid) jsonb: volatile unsafe plpgsql"),
    ("public", "auth_http.rotate_api_key(uuid, interval) jsonb: volatile unsafe plpgsql"),
    ("public", "auth_http.set_member_role(text, text, uuid) jsonb: volatile unsafe plpgsql"),
    ("public", "auth_http.token(text, text, text, text) jsonb: volatile unsafe plpgsql"),
    ("bearer_owner public", "auth_internal.http_answer(integer, boolean) void: volatile unsafe plpgsql"),
    ("bearer_owner public", "auth_internal.oauth_error(integer, text, text) jsonb: volatile unsafe plpgsql"),
    ("bearer_owner public", "auth_internal.token_answer(text) jsonb: volatile unsafe plpgsql"),
    ("public", "auth_http.get_user() jsonb: stable unsafe plpgsql"),
    ("public", "auth_http.logout(text) jsonb: volatile unsafe plpgsql"),
    ("public", "auth_http.otp(jsonb) jsonb: volatile unsafe sql"),
    ("public", "auth_http.recover(jsonb) jsonb: volatile unsafe sql"),
    ("public", "auth_http.resend(jsonb) jsonb: volatile unsafe plpgsql"),
    ("public", "auth_http.settings() jsonb: stable unsafe sql"),
    ("public", "auth_http.signup(jsonb) jsonb: volatile unsafe plpgsql"),
    ("public", "auth_http.token_password(jsonb) jsonb: volatile unsafe plpgsql"),
    ("public", "auth_http.token_refresh_token(jsonb) jsonb: volatile unsafe plpgsql"),
    ("public", "auth_http.update_user(jsonb) jsonb: volatile unsafe plpgsql"),
    ("public", "auth_http.verify(jsonb) jsonb: volatile unsafe plpgsql"),
    (
        "bearer_owner public",
        "auth_internal.supabase_caught(text, text, text, text) jsonb: volatile unsafe plpgsql",
    ),
    (
        "bearer_owner public",
        "auth_internal.supabase_error(integer, text, text, text) jsonb: volatile unsafe plpgsql",
    ),
    ("bearer_owner public", "auth_internal.supabase_mail(jsonb, text) jsonb: volatile unsafe plpgsql"),
    (
        "bearer_owner public",
        "auth_internal.supabase_refusal(jsonb, text, integer) jsonb: volatile unsafe plpgsql",
    ),
    (
        "bearer_owner public",
        "auth_internal.supabase_session(jsonb, text, integer) jsonb: volatile unsafe sql",
    ),
    ("bearer_owner public", "auth_internal.supabase_caller() jsonb: stable unsafe plpgsql"),
    ("bearer_owner public", "auth_internal.supabase_password(jsonb) text: immutable unsafe plpgsql"),
    ("bearer_owner public", "auth_internal.supabase_text(jsonb, text) text: immutable unsafe plpgsql"),
    ("bearer_owner public", "auth_internal.supabase_user(jsonb) jsonb: stable unsafe sql"),
];
