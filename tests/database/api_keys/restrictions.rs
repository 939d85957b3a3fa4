//! From where, and for what, a key may be used.

use super::world::*;
use pg_bearer_tests::database::{Session, installation};
use postgres::{Client, Config, NoTls};
use std::net::TcpListener;
use std::time::Duration;
use xtask::Server;

/// A server that listens on the loopback address too.
struct Loopback {
    server: Server,
    admin: Client,
    org: String,
}

impl Loopback {
    fn new(name: &str) -> Loopback {
        // Free a moment ago; another program that takes it now makes the test fail, not pass.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let settings = [("listen_addresses", "127.0.0.1"), ("port", port.as_str())];
        let server = Server::start(installation(), name, &settings).unwrap();
        let mut admin = Self::open(&server, "postgres", false);
        admin.run("create extension pg_bearer; create role tenant login");
        let org = admin.value("select auth.create_organization('o')").unwrap();
        Loopback { server, admin, org }
    }

    fn open(server: &Server, user: &str, over_tcp: bool) -> Client {
        let mut config = Config::new();
        config.port(server.port()).dbname("postgres").user(user);
        let config = if over_tcp { config.host("127.0.0.1") } else { config.host_path(server.socket_dir()) };
        config.connect(NoTls).unwrap()
    }

    fn key(&mut self, networks: &str) -> String {
        let sql = format!(
            "select key from auth.create_api_key('k', '{}', allowed_cidrs => '{{{networks}}}')",
            self.org
        );
        self.admin.value(&sql).unwrap()
    }

    /// Sets who is trusted, and waits until this session knows.
    fn trust(&mut self, session: &mut Client, proxies: &str) {
        self.admin.run("select auth.is_authenticated()");
        self.admin.run(&format!("alter system set pg_bearer.trusted_proxies = '{proxies}'"));
        self.admin.run("select pg_reload_conf(); select auth.is_authenticated()");
        session.run("select auth.is_authenticated()");
        while session.value("select current_setting('pg_bearer.trusted_proxies')").as_deref() != Some(proxies)
        {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Whether the key is good in a transaction with these headers.
fn is_good(session: &mut Client, key: &str, headers: &str) -> bool {
    session.run("begin");
    session.execute("select set_config('request.headers', $1, true)", &[&headers]).unwrap();
    let found = session.authenticate(key);
    session.run("rollback");
    match found {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(told(&error), REFUSED);
            false
        }
    }
}

fn forwarded(addresses: &str) -> String {
    serde_json::json!({ "x-forwarded-for": addresses }).to_string()
}

#[test]
fn networks_are_those_of_the_connection() {
    let mut loopback = Loopback::new("networks");
    let mut tcp = Loopback::open(&loopback.server, "tenant", true);
    let mut socket = Loopback::open(&loopback.server, "tenant", false);
    for (networks, over_tcp) in [
        ("127.0.0.1/32", true),
        ("127.0.0.0/8", true),
        ("10.0.0.0/8,127.0.0.0/8", true),
        ("0.0.0.0/0", true),
        ("10.0.0.0/8", false),
        ("127.0.0.2/32", false),
        ("::1/128", false),
        ("::/0", false),
        ("::ffff:127.0.0.0/104", true),
    ] {
        let key = loopback.key(networks);
        assert_eq!(is_good(&mut tcp, &key, ""), over_tcp, "{networks}");
        // A unix socket has no address.
        assert!(!is_good(&mut socket, &key, ""), "{networks}");
        // What a client says of itself counts for nothing.
        assert_eq!(is_good(&mut tcp, &key, &forwarded("10.0.0.1, ::1, 127.0.0.2")), over_tcp, "{networks}");
        assert!(!is_good(&mut socket, &key, &forwarded("127.0.0.1")), "{networks}");
    }
    let free = format!("select key from auth.create_api_key('k', '{}')", loopback.org);
    let key = loopback.admin.value(&free).unwrap();
    assert!(is_good(&mut tcp, &key, "") && is_good(&mut socket, &key, "not json"));
}

#[test]
fn a_trusted_proxy_says_where_its_client_is() {
    let mut loopback = Loopback::new("proxies");
    let mut tcp = Loopback::open(&loopback.server, "tenant", true);
    let mut socket = Loopback::open(&loopback.server, "tenant", false);
    let ten = loopback.key("10.0.0.0/8");
    let own = loopback.key("127.0.0.0/8");
    loopback.trust(&mut tcp, "127.0.0.1, 192.0.2.0/24");
    loopback.trust(&mut socket, "127.0.0.1, 192.0.2.0/24");
    for (addresses, of_ten) in [
        ("10.1.2.3", true),
        ("10.1.2.3:4711", true),
        ("::ffff:10.1.2.3", true),
        ("11.0.0.1, 10.1.2.3", true),
        ("10.1.2.3, 11.0.0.1", false),
        ("10.1.2.3, 192.0.2.9", true),
        ("10.1.2.3,192.0.2.9,127.0.0.1", true),
        ("192.0.2.9", false),
        ("10.1.2.3, unknown", false),
        ("10.1.2.3,", false),
        ("", false),
    ] {
        assert_eq!(is_good(&mut tcp, &ten, &forwarded(addresses)), of_ten, "{addresses}");
        // The proxy's own address is not the client's.
        assert!(!is_good(&mut tcp, &own, &forwarded(addresses)), "{addresses}");
        assert!(!is_good(&mut socket, &ten, &forwarded(addresses)), "{addresses}");
    }
    for headers in
        ["", "[]", "{}", "x", "{\"x-forwarded-for\": [\"10.1.2.3\"]}", "{\"X-Real-IP\": \"10.1.2.3\"}"]
    {
        assert!(!is_good(&mut tcp, &ten, headers), "{headers}");
    }
    loopback.trust(&mut socket, "local");
    loopback.trust(&mut tcp, "local");
    assert!(is_good(&mut socket, &ten, &forwarded("10.1.2.3")));
    assert!(
        !is_good(&mut tcp, &ten, &forwarded("10.1.2.3")) && is_good(&mut tcp, &own, &forwarded("10.1.2.3"))
    );
    // One word that cannot be read, and no address is believed: the peer may be a proxy that was meant.
    loopback.trust(&mut tcp, "127.0.0.1, everybody");
    assert!(
        !is_good(&mut tcp, &ten, &forwarded("10.1.2.3")) && !is_good(&mut tcp, &own, &forwarded("10.1.2.3"))
    );
    let told = tcp.refused("set pg_bearer.trusted_proxies = 'local'");
    assert!(told.starts_with("55P02 "), "{told}");
}

/// Whether the key is good in a request with these settings.
fn requested(world: &mut World, key: &Key, settings: &[(&str, &str)]) -> bool {
    let session = world.begin(&Who::Nobody).unwrap();
    for (name, value) in settings {
        session.execute("select set_config('request.' || $1, $2, true)", &[name, value]).unwrap();
    }
    match session.authenticate(&key.text) {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(told(&error), REFUSED);
            false
        }
    }
}

#[test]
fn origins_are_those_of_the_request() {
    let mut world = World::new();
    let key = world.key(
        &Who::User("cara"),
        "allowed_origins => '{https://app.example,https://*.shop.example,http://localhost:3000}'",
    );
    for (headers, good) in [
        (r#"{"origin": "https://app.example"}"#, true),
        (r#"{"origin": "HTTPS://App.Example"}"#, true),
        (r#"{"origin": "https://a.shop.example"}"#, true),
        (r#"{"origin": "https://a.b.shop.example"}"#, true),
        (r#"{"origin": "http://localhost:3000"}"#, true),
        (r#"{"referer": "https://app.example/page?x=1"}"#, true),
        (r#"{"referer": "https://app.example"}"#, true),
        (r#"{"origin": "https://shop.example"}"#, false),
        (r#"{"origin": "https://evilshop.example"}"#, false),
        (r#"{"origin": "https://app.example.evil"}"#, false),
        (r#"{"origin": "http://app.example"}"#, false),
        (r#"{"origin": "https://app.example:8443"}"#, false),
        (r#"{"origin": "null"}"#, false),
        (r#"{"origin": "null", "referer": "https://app.example/"}"#, false),
        (r#"{"origin": ""}"#, false),
        (r#"{"origin": ["https://app.example"]}"#, false),
        (r#"{"referer": "https://app.example@evil/"}"#, false),
        (r#"{"referer": "https://evil/https://app.example"}"#, false),
        ("{}", false),
        ("", false),
        ("\"https://app.example\"", false),
        (r#"{"origin": "https://app.example""#, false),
    ] {
        assert_eq!(requested(&mut world, &key, &[("headers", headers)]), good, "{headers}");
    }
    assert!(!requested(&mut world, &key, &[]));
    let huge = format!(r#"{{"origin": "https://app.example", "x": "{}"}}"#, "x".repeat(70_000));
    assert!(!requested(&mut world, &key, &[("headers", &huge)]));
}

#[test]
fn endpoints_are_those_of_the_request() {
    let mut world = World::new();
    let key =
        world.key(&Who::User("cara"), "allowed_endpoints => '{GET /bills,POST /rpc/send,* /reports/*}'");
    for (method, path, good) in [
        ("GET", "/bills", true),
        ("POST", "/rpc/send", true),
        ("GET", "/reports/2026", true),
        ("DELETE", "/reports/a/b", true),
        ("POST", "/bills", false),
        ("get", "/bills", false),
        ("GET", "/bills/", false),
        ("GET", "/bills/1", false),
        ("GET", "/billsx", false),
        ("GET", "/reports", false),
        ("GET", "/reports/", false),
        ("GET", "/reports/../bills2", false),
        ("GET", "/reports/..;/x", false),
        ("GET", "/reports/%2e%2e/x", false),
        ("GET", "//bills", false),
        ("GET", "bills", false),
        ("GET", "/bills?x=1", false),
        ("", "/bills", false),
        ("GET", "", false),
    ] {
        assert_eq!(
            requested(&mut world, &key, &[("method", method), ("path", path)]),
            good,
            "{method} {path}"
        );
    }
    for settings in [
        &[][..],
        &[("method", "GET")],
        &[("path", "/bills")],
        &[("headers", r#"{"method": "GET", "path": "/bills"}"#)],
    ] {
        assert!(!requested(&mut world, &key, settings), "{settings:?}");
    }
}

#[test]
fn tables_are_those_that_a_policy_asks_for() {
    let mut world = World::new();
    world.admin.run(
        "create schema \"Odd.Schema\"; create table \"Odd.Schema\".\"a\"\"b\" (id int);
         create table bills (id int, org_id uuid); insert into bills select id, org_id from docs;
         create policy table_of_key on docs as restrictive using (auth.allows_table('docs'::regclass));
         alter table bills enable row level security;
         create policy own_organization on bills using (auth.in_org(org_id));
         create policy table_of_key on bills as restrictive using (auth.allows_table('bills'::regclass));
         grant select on bills to tenant; grant usage on schema \"Odd.Schema\" to tenant",
    );
    let counts = "concat_ws(' ', (select count(*) from docs), (select count(*) from bills))";
    for (arguments, expected) in [
        ("null", "500 500"),
        ("allowed_tables => '{docs}'", "500 0"),
        ("allowed_tables => '{bills}'", "0 500"),
        ("allowed_tables => '{docs,bills}'", "500 500"),
        ("allowed_tables => array['\"Odd.Schema\".\"a\"\"b\"'::regclass]", "0 0"),
    ] {
        let key = world.key(&Who::User("cara"), arguments);
        assert_eq!(world.tell(&key.bearer(), counts), expected, "{arguments}");
    }
    let odd = world.key(&Who::User("cara"), "allowed_tables => array['\"Odd.Schema\".\"a\"\"b\"'::regclass]");
    let answers = "concat_ws(' ', auth.allows_table('\"Odd.Schema\".\"a\"\"b\"'::regclass), auth.allows_table('docs'::regclass),
                   auth.allows_table(0), coalesce(auth.allows_table(null), true))";
    assert_eq!(world.tell(&odd.bearer(), answers), "t f f t");
    assert_eq!(world.tell(&Who::User("cara"), counts), "500 500");
    assert_eq!(world.tell(&Who::Nobody, "auth.allows_table('docs'::regclass)"), "-");
    // A table is known by its name: what takes it is allowed, what is renamed is not.
    let docs = world.key(&Who::User("cara"), "allowed_tables => '{docs}'");
    world.admin.run("alter table docs rename to old_docs; alter table bills rename to docs");
    let answers =
        "concat_ws(' ', auth.allows_table('docs'::regclass), auth.allows_table('old_docs'::regclass))";
    assert_eq!(world.tell(&docs.bearer(), answers), "t f");
}
