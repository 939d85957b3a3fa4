//! Ways of misplacing a credential. `{c}` is the credential, `{n}` a name that has to stay in the log.

/// Statements that fail, or say something in the log, with a token, a key or an invitation where it does not belong.
pub(super) const CREDENTIALS: &[&str] = &[
    // In the statement alone.
    "select '{c}' as {n}, 1/0",
    "select 1/0 as {n} /* {c} */",
    "select 1/0 as {n} -- {c}",
    "select 1/0 as {n}, '''{c}'''",
    "select 1/0 as {n}, E'\\n{c}\\n'",
    "select 1/0 as {n}, $x${c}$x$",
    "select 1/0 as {n}, 'https://app.example/?t=%22{c}%22'",
    "select 1/0 as {n}, '{c}trailing-Garbage!'",
    "begin; select '{c}' as {n}; select 1/0",
    "alter role nobody_{n} password '{c}'",
    "comment on table nothing_{n} is '{c}'",
    "create table t_{n} (a text default '{c}', b nonsense)",
    "notify {n}, '{c}'; select 1/0",
    "set nothing_{n} = '{c}'",
    // In the message.
    "select 1 as {n}, '{c}",
    "select 1 as {n}, $y${c}",
    "select \"{c}\" as {n}",
    "select 1 as {n} from \"{c}\"",
    "select \"{c}\"(1) as {n}",
    "select 1 as {n} from {c}",
    "select '{c}'::uuid as {n}",
    "select '{c}'::int as {n}",
    "select '{c}'::timestamptz as {n}",
    "select '{c}'::inet as {n}",
    "select '{c}'::regclass as {n}",
    "select abs('{c}') as {n}",
    "select auth.set_org('{c}') as {n}",
    "select auth.in_org('{c}') as {n}",
    "set work_mem = '{c}' /* {n} */",
    "select set_config('work_mem', '{c}', false) as {n}",
    "explain select '{c}'::int as {n}",
    "prepare {n} as select $1::int; execute {n}('{c}')",
    "begin; declare {n} cursor for select ('{c}'::text || random())::int; fetch all from {n}",
    "call misplaced_call('{c}') /* {n} */",
    "do $$ begin raise exception '{n} {c} {n}'; end $$",
    "do $$ begin raise warning '{n} {c} {n}'; end $$; select 1/0",
    "do $$ begin raise log '{n} {c} {n}'; end $$; select 1/0",
    "do $$ begin raise exception using message = '{n}', errcode = '22023', column = '{c}', constraint = '{c}', table = '{c}'; end $$",
    // In the detail and the hint.
    "select '{\"a\": {c}}'::json as {n}",
    "select '[{c}]'::jsonb as {n}",
    "do $$ begin raise exception '{n}' using detail = '{n} {c}', hint = '{c} {n}'; end $$",
    "insert into misplaced values ('{c}'), ('{c}') /* {n} */",
    "insert into misplaced values ('{c}', -1) /* {n} */",
    "insert into misplaced values ('{c}', null) /* {n} */",
    // In the context and the internal query.
    "do $$ begin execute 'select ''{c}'' as {n} from from'; end $$",
    "do $$ begin execute 'select 1/0 as {n}, ''{c}'''; end $$",
    "do $$ declare {n} int := '{c}'; begin end $$",
    "select misplaced_function('{c}') as {n}",
];

/// Calls with a secret that looks like nothing.
pub(super) const SECRETS: &[&str] = &[
    "select auth.add_jwt_secret('https://issuer.example', '{c}') as {n}, 1/0",
    "select auth.add_jwt_secret('https://issuer.example', $x${c}$x$) as {n}, 1/0",
    "select auth.add_jwt_secret('https://issuer.example', U&'{c}') as {n} from from",
    "select auth.add_jwt_secret('https://issuer.example', e'{c}\\'') as {n} from from",
    "select auth.add_jwt_secret('https://issuer.example', /* don't */ '{c}') as {n} from from",
    "select auth.add_jwt_secret('https://issuer.example', '{c}', 'ES256') as {n}",
    "select auth.add_jwt_secret('https://issuer.example', secret => '{c}', encoding => 'hex') as {n}, 1/0",
    "select auth.add_jwt_secret('https://issuer.example', '{c}'::uuid::text) as {n}",
    "select auth.add_jwt_secret('https://issuer.example', '{c}'::json::text) as {n}",
    "select auth.add_jwt_secret('https://issuer.example', \"{c}\") as {n}",
    "select 1 as {n} from auth.add_jwt_secret('https://issuer.example', '{c}",
    "select auth.add_jwt_secret 'https://issuer.example', '{c}', {n}",
    "prepare {n} as select auth.add_jwt_secret('https://issuer.example', $1); execute {n}('{c}', 1)",
    "do $$ begin perform auth.add_jwt_secret('https://issuer.example', '{c}') as {n}; perform 1/0; end $$",
    "do $$ begin execute 'select auth.add_jwt_secret(1, ''{c}'') as {n}'; end $$",
    "do $$ declare {n} text := '{c}'; begin perform auth.add_jwt_secret('nobody', {n}); end $$",
    "select auth.import_api_key('{n}', '{c}', null), 1/0 as {n}",
    "select auth.import_api_key('{n}', hash => '{c}'::int, org_id => null) as {n}",
    "select auth.explain_access('misplaced', 'select', '{c}') as {n}, 1/0",
    "select auth.explain_credential('{c}') as {n}, 1/0",
    "select auth.authenticate('{c}') as {n}",
    "select auth.accept_invitation('{c}') as {n}",
    "select auth.add_jwt_key('https://issuer.example', '{c}') as {n}",
    "set pg_bearer.identity = '{c}' /* {n} */",
];

pub(super) const SETUP: &str = "
create table misplaced (a text primary key, b int not null default 1 check (b > 0));
create function misplaced_function(token text) returns int language plpgsql as 'begin return (token || now())::int; end';
create procedure misplaced_call(token text) language plpgsql as 'begin raise exception $$%$$, token; end';
";

/// What the server may be told to log.
pub(super) const SETTINGS: &[&str] = &[
    "reset all",
    "set log_statement = 'all'; set log_error_verbosity = verbose",
    "set log_min_duration_statement = 0; set log_parameter_max_length_on_error = -1",
    "set log_min_messages = debug5; set log_min_error_statement = debug5; set client_min_messages = debug5",
    "set auto_explain.log_min_duration = 0; set auto_explain.log_nested_statements = on; set auto_explain.log_verbose = on",
    "set auto_explain.log_min_duration = 0; set auto_explain.log_format = json",
    "set standard_conforming_strings = off; set escape_string_warning = off; set log_statement = 'all'",
];
