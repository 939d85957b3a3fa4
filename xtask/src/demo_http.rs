//! PostgREST behind nginx, with credentials to send: of `examples/postgrest`, and of the services in `tests/scenarios`.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::error::{Context, Error};
use crate::http_example::HttpExample;
use crate::installation::{Installation, remove_dir};
use crate::orms::Orms;
use crate::page::Page;
use crate::server::Server;
use crate::{demo, process, project};

const NAME: &str = "demo-http";

/// Services whose pages about authentication tests replay.
const SCENARIOS: &str = "tests/scenarios";

const DATABASE: &str = "shown";

/// The name of the publishable key that the page sends.
const PAGE_KEY: &str = "publishable";

const SETTINGS: &[(&str, &str)] =
    &[("shared_preload_libraries", "pg_bearer"), ("pg_bearer.trusted_proxies", "local")];

/// Without an own session, group or standard streams, so that it stays when we end; its number is left in `pid`.
const START: &str = r#"cd "$1" && cp "$2" program && {
        setsid "$1/program" "$1/postgrest.conf" >log 2>&1 </dev/null & echo $! >pid; }"#;

/// What to send, what comes back, and why. `$tls` and `$plain` are where nginx listens.
const LINES: &[(u16, &str, &str)] = &[
    (200, "curl --cacert certificate.pem -H @ada $tls/notes", "ada's token: the notes of Acme"),
    (200, "curl --cacert certificate.pem -H @key $tls/notes", "an API key of Acme"),
    (200, "curl --cacert certificate.pem -H @key $tls/api-keys", "the keys of Acme, by a path of auth_http"),
    (200, "curl --cacert certificate.pem $tls/.well-known/jwks.json", "what verifies our tokens"),
    (201, "curl --cacert certificate.pem -H @ada -d body=mine $tls/notes", "a new note"),
    (201, "curl --cacert certificate.pem -H @ada -d name=deploy $tls/api-keys", "a new key, shown this once"),
    (
        200,
        r#"curl --cacert certificate.pem "$tls/rpc/events?token=$(curl -s --cacert certificate.pem -X POST -H @ada $tls/rpc/ticket | tr -d '"')""#,
        "a ticket of one use, in the address, as EventSource has to",
    ),
    (204, "curl --cacert certificate.pem -X OPTIONS $tls/notes", "what browsers ask first: nginx answers"),
    (400, "curl --cacert certificate.pem -H @ada -H @key $tls/notes", "two credentials"),
    (400, "curl --cacert certificate.pem --path-as-is $tls//notes", "another spelling of a path"),
    (401, "curl --cacert certificate.pem $tls/notes", "no credential"),
    (401, "curl --cacert certificate.pem -H @forged $tls/notes", "a token that nobody signed"),
    (403, "curl --cacert certificate.pem -H @elsewhere $tls/notes", "a key of another network"),
    (
        403,
        "curl --cacert certificate.pem -H @ada -H 'X-Organization: beta' $tls/notes",
        "an organization that is not hers",
    ),
    (403, "curl $plain/notes", "plain HTTP"),
    (404, "curl --cacert certificate.pem -H @ada $tls/nots", "nothing is said of what there is instead"),
    (
        405,
        "curl --cacert certificate.pem -H @ada -X DELETE $tls/api-keys",
        "a method that the path does not take",
    ),
    (429, "curl --cacert certificate.pem -H @spent $tls/notes", "a key that is good for one request a day"),
];

/// What is shown: a database, its requests, and nginx's rules for them.
struct Example {
    name: String,
    /// A script for psql; it shows the name of each credential and the header that has it.
    script: PathBuf,
    /// The directory with these rules.
    rules: Option<PathBuf>,
    requests: Vec<String>,
}

impl Example {
    fn of_the_documents() -> Example {
        let line = |(status, line, why): &(u16, &str, &str)| format!("{status}  {line}    # {why}");
        Example {
            name: NAME.into(),
            script: project::root().join("examples/postgrest/demo.sql"),
            rules: Some(Page::rules()),
            requests: LINES.iter().map(line).collect(),
        }
    }

    fn of_scenario(name: &str) -> Result<Example, Error> {
        let known = scenarios()?;
        if !known.iter().any(|found| found == name) {
            return Err(Error::new(format!("there is no scenario {name:?}, but {}", known.join(", "))));
        }
        let dir = project::root().join(SCENARIOS).join(name);
        let path = dir.join("requests.txt");
        let requests = fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))?;
        Ok(Example {
            name: running_name(name),
            script: dir.join("demo.sql"),
            requests: requests.lines().map(str::to_owned).collect(),
            rules: Some(dir),
        })
    }
}

/// The names of the services that there are.
fn scenarios() -> Result<Vec<String>, Error> {
    let dir = project::root().join(SCENARIOS);
    let doing = || format!("cannot read {}", dir.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&dir).context(doing)? {
        names.push(entry.context(doing)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn running_name(scenario: &str) -> String {
    format!("demo-{scenario}")
}

/// Starts the example of the documents afresh, says what to try and leaves it running.
pub(crate) fn start() -> Result<(), Error> {
    start_example(&Example::of_the_documents())
}

/// The same of the service with this name.
pub(crate) fn start_scenario(name: &str) -> Result<(), Error> {
    start_example(&Example::of_scenario(name)?)
}

fn start_example(example: &Example) -> Result<(), Error> {
    let nginx = process::find_server("nginx").ok_or_else(|| Error::new("there is no nginx; install it"))?;
    let installation = Installation::prepare()?;
    let dir = directory(&installation, &example.name);
    end(&dir)?;
    println!("==> starting {}", installation.pg_config().version());
    demo::remember(&installation)?;
    let server = Server::start_shared(&installation, &example.name, SETTINGS)?;
    println!("==> loading {}", shown(&example.script));
    let (files, headers): (Vec<_>, Vec<_>) =
        load(&server, example)?.into_iter().partition(|(name, _)| name.ends_with(".conf"));
    println!("==> starting PostgREST and nginx");
    let [tls, plain] = free_ports()?;
    let started = serve(&installation, &server, &nginx, (example, &files), [tls, plain])
        .and_then(|()| write_headers(&dir, &headers))
        .and_then(|()| put_page(&installation, &dir, &headers))
        .and_then(|()| wait_until_ready(&dir, tls));
    if started.is_err() {
        end(&dir)?;
    }
    started?;
    show(&dir, tls, plain, &example.requests);
    server.keep();
    Ok(())
}

/// A path of the repository as people know it.
fn shown(path: &Path) -> String {
    path.strip_prefix(project::root()).unwrap_or(path).display().to_string()
}

/// Stops all that were started and removes what they had; whether there were any.
pub(crate) fn stop(installation: &Installation) -> Result<bool, Error> {
    let mut found = false;
    for name in std::iter::once(NAME.into()).chain(scenarios()?.iter().map(|name| running_name(name))) {
        end(&directory(installation, &name))?;
        let server = Server::shared(installation, &name)?;
        found |= server.is_some();
        server.map_or(Ok(()), Server::remove)?;
    }
    Ok(found)
}

fn directory(installation: &Installation, name: &str) -> PathBuf {
    installation.run_dir().join(name)
}

/// Loads the example; the credentials by name, each as a header, and files for nginx, whose names end in `.conf`.
fn load(server: &Server, example: &Example) -> Result<Vec<(String, String)>, Error> {
    server.psql("postgres", &format!("create database {DATABASE}"))?;
    let mut psql = server.client("psql", "postgres", DATABASE);
    psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]);
    psql.arg("--file").arg(&example.script);
    let shown = process::capture(&mut psql)?;
    let lines = shown.lines().filter_map(|line| line.split_once('|'));
    Ok(lines.map(|(name, header)| (name.to_owned(), header.to_owned())).collect())
}

fn serve(
    installation: &Installation,
    server: &Server,
    nginx: &Path,
    (example, files): (&Example, &[(String, String)]),
    [tls, plain]: [u16; 2],
) -> Result<(), Error> {
    let dir = directory(installation, &example.name);
    let uri = format!(
        "host={} port={} user=authenticator dbname={DATABASE}",
        server.socket_dir().display(),
        server.port()
    );
    HttpExample::fill(
        installation,
        &dir,
        &[
            ("DB_URI", &uri),
            ("TLS_LISTEN", &format!("127.0.0.1:{tls} ssl")),
            ("PLAIN_LISTEN", &format!("127.0.0.1:{plain}")),
        ],
        example.rules.as_deref(),
        files,
    )?;
    let mut postgrest = installation.command(Path::new("/bin/sh"));
    postgrest.args(["-c", START, "sh"]).arg(&dir).arg(Orms::prepare()?.postgrest());
    process::run(&mut postgrest)?;
    let mut command = installation.command(nginx);
    command.arg("-p").arg(&dir).arg("-c").arg(dir.join("nginx.conf"));
    process::run(&mut command)
}

/// One file for each header, so that no credential is in a command line.
fn write_headers(dir: &Path, headers: &[(String, String)]) -> Result<(), Error> {
    for (name, header) in headers {
        let path = dir.join(name);
        let doing = || format!("cannot write {}", path.display());
        fs::write(&path, "").context(doing)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).context(doing)?;
        fs::write(&path, header).context(doing)?;
    }
    Ok(())
}

/// The page, where the example has a key for it.
fn put_page(installation: &Installation, dir: &Path, headers: &[(String, String)]) -> Result<(), Error> {
    let key =
        headers.iter().find(|(name, _)| name == PAGE_KEY).and_then(|(_, header)| header.split_once(": "));
    key.map_or(Ok(()), |(_, key)| Page::put(installation, dir, key))
}

/// Waits for PostgREST, and uses up the key that is good for one request.
fn wait_until_ready(dir: &Path, tls: u16) -> Result<(), Error> {
    let deadline = Instant::now() + Duration::from_secs(30);
    // nginx, and PostgREST before it knows the schema, say that they are not ready.
    while ["000", "502", "503"].contains(&ask(dir, &[], tls)?.as_str()) {
        if Instant::now() > deadline {
            let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
            return Err(Error::new(format!("PostgREST does not answer; its log: {log}")));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    if dir.join("spent").exists() {
        ask(dir, &["--header", "@spent"], tls)?;
    }
    Ok(())
}

/// The status of the answer.
fn ask(dir: &Path, options: &[&str], tls: u16) -> Result<String, Error> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}"]);
    curl.args(["--cacert", "certificate.pem"]).args(options);
    curl.arg(format!("https://127.0.0.1:{tls}/rest/v1/notes"));
    process::capture(curl.current_dir(dir))
}

fn show(dir: &Path, tls: u16, plain: u16, requests: &[String]) {
    println!("\nTry this (the credentials are in the files, for a day):\n");
    println!("  cd {}", dir.display());
    println!("  tls=https://127.0.0.1:{tls} plain=http://127.0.0.1:{plain}\n");
    for request in requests {
        println!("  {request}");
    }
    if dir.join("page").exists() {
        println!("\nIn a browser, which warns of the certificate: two tenants, side by side.\n");
        println!("  https://localhost:{tls}/");
    }
    println!("\nBoth logs of nginx are there too, access.log and error.log. It keeps running.");
    println!("  make stop    to end it");
}

/// Two ports of this machine that nobody uses at the moment.
fn free_ports() -> Result<[u16; 2], Error> {
    let doing = || "cannot find a free port".into();
    let listen = || TcpListener::bind(("127.0.0.1", 0)).context(doing);
    let port = |listener: &TcpListener| Ok(listener.local_addr().context(doing)?.port());
    let (one, other) = (listen()?, listen()?);
    Ok([port(&one)?, port(&other)?])
}

/// Ends what runs in this directory, and removes it.
fn end(dir: &Path) -> Result<(), Error> {
    for file in ["nginx.pid", "pid"] {
        let Ok(number) = fs::read_to_string(dir.join(file)) else { continue };
        let of_process = Path::new("/proc").join(number.trim());
        // Numbers are used again; ours say the directory in their command line.
        let line = || fs::read(of_process.join("cmdline")).unwrap_or_default();
        let is_ours = || String::from_utf8_lossy(&line()).contains(&*dir.to_string_lossy());
        if is_ours() {
            process::capture(Command::new("kill").arg(number.trim()))?;
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while is_ours() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    remove_dir(dir)
}
