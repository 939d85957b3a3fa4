//! Attacks on the page.

use super::page::{
    FORM, OWN, PASSWORD, agreeing, application, encoded, form, fragment, get, granted, shown, sign_in, user,
};
use super::{claims, expect, service, text};
use pg_bearer_tests::database::Session;
use serde_json::json;

/// How many sessions this user has.
fn sessions(user: &str) -> String {
    service().ask(&format!("select count(*)::text from auth.list_sessions('{user}')"))
}

#[test]
fn t690_nobody_is_led_to_an_address_that_is_not_listed() {
    let org = service().organization("abe");
    let listed = application(&org, "abe-app");
    let bea = user("bea");
    for other in [
        "https://evil.example/signed-in",
        "https://abe-app.example/signed-in/",
        "https://abe-app.example/signed-in?x=1",
        "https://abe-app.example/signed-in#x",
        "https://abe-app.example/signed-in\r\nSet-Cookie: a=b",
        "https://abe-app.example/signed-in\n",
        "https://abe-app.example/SIGNED-IN",
        "https://abe-app.example:443/signed-in",
        "https://abe-app.example.evil.example/signed-in",
        "https://evil.example@abe-app.example/signed-in",
        "//abe-app.example/signed-in",
        "http://abe-app.example/signed-in",
        "/signed-in",
        "javascript:alert(1)",
        " https://abe-app.example/signed-in",
        "https://abe-app.example/%",
        "_%",
        "",
    ] {
        let page = get(&format!("redirect={}", encoded(other)));
        shown(&page, 400, "'none'");
        let answer = sign_in(&agreeing(other, "bea"));
        shown(&answer, 400, "'none'");
        // Nothing that was sent is there.
        assert_eq!(page.body, answer.body);
        assert!(!page.body.contains("evil") && !page.body.contains("example"), "{page:?}");
        let second = service().nginx.send(
            "GET",
            &format!("/auth?redirect={}&redirect={}", encoded(&listed), encoded(other)),
            &[],
            "",
        );
        assert!(!second.body.contains("evil"), "{second:?}");
    }
    assert_eq!(sessions(&bea), "0");
    // Of two in a form one counts, which is listed or not.
    let both =
        sign_in(&format!("{}&redirect={}", agreeing(&listed, "bea"), encoded("https://evil.example/")));
    assert!(both.status == 400 && both.header("location").is_none(), "{both:?}");
    // What cannot be a header or a part of a page cannot be listed.
    for odd in [
        "https://a.example/\r\nX: y",
        "https://a.example/\"",
        "https://a.example/#x",
        "http://a.example/",
        "https://a.example/\n",
    ] {
        let quoted = odd.replace('\r', "\\r").replace('\n', "\\n");
        let insert = format!(
            "insert into app.applications (redirect, org_id, name) values (E'{quoted}', '{org}', 'x')"
        );
        let error = service().admin().batch_execute(&insert).unwrap_err();
        assert_eq!(error.code().map(|code| code.code()), Some("23514"), "{odd:?}");
    }
}

#[test]
fn t691_no_other_site_signs_a_browser_in() {
    let org = service().organization("cat");
    let redirect = application(&org, "cat-app");
    let dan = user("dan");
    let body = agreeing(&redirect, "dan");
    let send = |headers: &[(&str, &str)]| {
        let answer = service().nginx.send("POST", "/auth/sign_in", headers, &body);
        assert_eq!(answer.header("location"), None, "{headers:?}");
        answer.status
    };
    for origin in [
        "https://cat-app.example",
        "null",
        "",
        "https://localhost:8443",
        "http://localhost",
        "https://localhost.evil.example",
        "https://LOCALHOST",
        "https://app.example.com",
    ] {
        assert_eq!(send(&[FORM, ("Origin", origin)]), 403, "{origin}");
    }
    assert_eq!(send(&[FORM]), 403);
    assert_eq!(send(&[FORM, ("Referer", "https://localhost/auth")]), 403);
    for site in ["cross-site", "same-site", "none", "same-origin, cross-site"] {
        assert_eq!(send(&[FORM, OWN, ("Sec-Fetch-Site", site)]), 403, "{site}");
    }
    for kind in [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencodedx",
    ] {
        assert_eq!(send(&[OWN, ("Content-Type", kind)]), 415, "{kind}");
    }
    // What a browser asks first says nothing to others.
    let asked = [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST")];
    let asked = service().nginx.send("OPTIONS", "/auth/sign_in", &asked, "");
    assert_eq!((asked.status, asked.header("access-control-allow-origin")), (204, None));
    assert_eq!(sessions(&dan), "0");
    let good =
        service().nginx.send("POST", "/auth/sign_in", &[FORM, OWN, ("Sec-Fetch-Site", "same-origin")], &body);
    granted(&good, &redirect);
}

#[test]
fn t692_nothing_that_is_sent_becomes_a_header_or_a_part_of_the_page() {
    let org = service().organization("eli");
    let redirect = application(&org, "eli-app");
    user("flo");
    service()
        .admin()
        .run("update app.applications set name = '<b>\"Eli\" & %s %1$s' where redirect ~ 'eli-app'");
    let page = get(&format!("redirect={redirect}"));
    assert!(page.body.contains("<strong>&lt;b&gt;&quot;Eli&quot; &amp; %s %1$s</strong>"), "{page:?}");
    for odd in
        ["\"><script>", "a b", "a&token=x", "a#b", "a%b", "a\r\nX-Evil: 1", "a\n", "é", &"x".repeat(129)]
    {
        for name in ["state", "permissions"] {
            shown(&get(&format!("redirect={redirect}&{name}={}", encoded(odd))), 400, "'none'");
            let body = agreeing(&redirect, "flo") + "&" + &form(&[(name, odd)]);
            let answer = sign_in(&body);
            shown(&answer, 400, "'none'");
            assert_eq!(answer.header("x-evil"), None);
        }
    }
    // A query is nothing but its three values, and a form has no other fields.
    for query in
        ["redirect=x;select=y", "redirect=x%3Bselect%3Dy", "select=x", "redirect=x&limit=0", "password=x"]
    {
        let answer = get(query);
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
    }
    let more = agreeing(&redirect, "flo") + "&org_id=1a000000-0000-4000-8000-000000000001";
    assert_eq!(sign_in(&more).status, 404);
    let query = format!("/auth/sign_in?{}", agreeing(&redirect, "flo"));
    let answer = service().nginx.send("POST", &query, &[OWN, FORM], "x=y");
    assert!(answer.status == 404 && answer.header("location").is_none(), "{answer:?}");
}

#[test]
fn t693_a_session_is_for_the_organization_of_its_application_and_for_what_was_agreed() {
    let gus = user("gus");
    let (ours, theirs) = (service().organization(&gus), service().organization("hua"));
    let (mine, other) = (application(&ours, "gus-app"), application(&theirs, "hua-app"));
    // The owner of one organization, at the application of another: neither what is his nor what is theirs.
    let key =
        service().ask(&format!("select key from auth.create_api_key('k', '{ours}', user_id => '{gus}')"));
    assert_eq!(service().send(&key, "POST", "/invoices", r#"{"amount": 5}"#).status, 201);
    let body = agreeing(&other, "gus");
    let headers = [
        OWN,
        FORM,
        ("X-Organization", ours.as_str()),
        ("Authorization", &format!("Bearer {key}")),
        ("apikey", &key),
        ("X-Api-Key", "sk_live_another"),
        ("X-Credential", &key),
        ("Content-Profile", "auth_http"),
        ("Prefer", "tx=rollback"),
        ("X-Forwarded-For", "192.0.2.1"),
    ];
    let given = granted(&service().nginx.send("POST", "/auth/sign_in", &headers, &body), &other);
    let token = text(&given["token"]);
    assert_eq!(claims(&token)["org_id"], json!(theirs));
    let at = |org: &str| {
        service().send_with(&token, &[("X-Organization", org)], "GET", "/profiles?select=name", "").status
    };
    assert_eq!((at(&theirs), at(&ours)), (200, 403));
    let row = json!({"name": "x", "org_id": ours}).to_string();
    assert_eq!(service().send(&token, "POST", "/profiles", &row).status, 403);
    // Of what the owner may do at home, an application gets what was agreed to.
    for permissions in [
        "*",
        "profiles.*",
        "invoices.read",
        "profiles.read,invoices.read",
        "api_keys.write",
        ",",
        "profiles.read,",
    ] {
        let body = format!("{}&permissions={}", agreeing(&mine, "gus"), encoded(permissions));
        shown(&sign_in(&body), 400, "'none'");
    }
    let at_home = text(&granted(&sign_in(&agreeing(&mine, "gus")), &mine)["token"]);
    assert_eq!(service().get(&at_home, "/invoices").status, 403);
    assert_eq!(service().get(&key, "/invoices").status, 200);
    let wide = "insert into app.applications values ('https://x.example/', gen_random_uuid(), 'x', '{invoices.read}')";
    assert!(service().admin().batch_execute(wide).is_err());
    // Nobody enters or lists applications by the API, and a refresh gives no more.
    assert_eq!(service().send(&key, "POST", "/applications", "{}").status, 403);
    for role in ["web_anon", "web_user", "web_key", "web_service"] {
        let may = format!(
            "select has_table_privilege('{role}', 'app.applications', 'select, insert, update, delete')::text"
        );
        assert_eq!(service().ask(&may), "false");
    }
    let next = json!({"refresh_token": given["refresh_token"]}).to_string();
    let next = text(&expect(service().nginx.send("POST", "/auth/refresh", &[], &next), 200)["token"]);
    assert_eq!(
        (claims(&next)["org_id"].clone(), claims(&next)["permissions"].clone()),
        (json!(theirs), json!(["profiles.read", "profiles.write"]))
    );
}

#[test]
fn t694_the_key_of_the_page_is_good_for_nothing_but_asking_for_a_password() {
    let org = service().organization("ida");
    let redirect = application(&org, "ida-app");
    let jim = user("jim");
    let file = std::fs::read_to_string(service().nginx.dir().join("sign_in_key.conf")).unwrap();
    let key = file.split(['"', ' ']).find(|word| word.contains("_live_")).unwrap();
    for (method, path, body) in [
        ("GET", "/profiles?select=ssn", ""),
        ("GET", "/invoices", ""),
        ("POST", "/auth", r#"{"permissions": ["invoices.read"]}"#),
        ("POST", "/rpc/create_api_key", r#"{"name": "x"}"#),
        ("POST", "/auth/v1/token?grant_type=password", "{}"),
    ] {
        let status = service().send(key, method, path, body).status;
        assert!(status == 403 || status == 401, "{method} {path}: {status}");
    }
    let wrong = form(&[
        ("redirect", &redirect),
        ("email", "jim@example.com"),
        ("password", "wrong"),
        ("consent", "given"),
    ]);
    let answer = service().send_with(key, &[FORM], "POST", "/rpc/sign_in", &wrong);
    assert!(answer.status == 400 && answer.header("location").is_none(), "{answer:?}");
    // And without it, the function is nobody's.
    let (_, of_account) = super::account("kit");
    let session = text(&granted(&sign_in(&agreeing(&redirect, "jim")), &redirect)["token"]);
    for credential in [of_account.as_str(), &session] {
        let answer =
            service().send_with(credential, &[FORM], "POST", "/rpc/sign_in", &agreeing(&redirect, "jim"));
        assert_eq!(answer.status, 403, "{answer:?}");
    }
    let nobody = service().nginx.send("POST", "/rpc/sign_in", &[FORM, OWN], &agreeing(&redirect, "jim"));
    assert_eq!(nobody.status, 401, "{nobody:?}");
    assert_eq!(sessions(&jim), "1");
}

#[test]
fn t695_passwords_and_tokens_of_the_page_are_written_nowhere() {
    let org = service().organization("liz");
    let redirect = application(&org, "liz-app");
    user("max");
    let (address, given) = fragment(&sign_in(&agreeing(&redirect, "max")));
    assert_eq!(address, redirect);
    let canary = "Zq7canaryOfAPassword";
    let wrong = form(&[
        ("redirect", &redirect),
        ("email", "max@example.com"),
        ("password", canary),
        ("consent", "given"),
    ]);
    assert_eq!(sign_in(&wrong).status, 400);
    assert_eq!(sign_in(&(wrong.clone() + "&x=y")).status, 404);
    assert_eq!(sign_in("%zz=%").status, 404);
    let refused = service().nginx.send("POST", "/auth/sign_in", &[FORM], &wrong);
    assert_eq!(refused.status, 403);
    let query = service().nginx.send("GET", &format!("/auth?{wrong}"), &[], "");
    assert_eq!(query.status, 200);
    for answer in [&refused, &query] {
        assert!(!answer.body.contains("canary"), "{answer:?}");
    }
    let file = std::fs::read_to_string(service().nginx.dir().join("sign_in_key.conf")).unwrap();
    let key = file.split(['"', ' ']).find(|word| word.contains("_live_")).unwrap();
    let signature = given[0].1.rsplit('.').next().unwrap();
    let secrets =
        [canary, "correct horse", &encoded(PASSWORD), signature, &given[1].1[8..], &key[key.len() - 40..]];
    for (name, log) in
        [("nginx and PostgREST", service().nginx.log()), ("PostgreSQL", super::super::server().log())]
    {
        assert!(!log.is_empty(), "{name}");
        for secret in secrets {
            assert!(!log.contains(secret), "{name} wrote down {secret}");
        }
    }
}

#[test]
fn t696_signing_in_leaves_one_session_and_every_try_counts() {
    let org = service().organization("ora");
    let redirect = application(&org, "ora-app");
    let (pia, ray) = (user("pia"), user("ray"));
    granted(&sign_in(&agreeing(&redirect, "pia")), &redirect);
    // The one that is good for everything is none.
    let only =
        format!("select string_agg(concat(org_id, ' ', permissions), ', ') from auth.list_sessions('{pia}')");
    assert_eq!(service().ask(&only), format!("{org} {{profiles.read,profiles.write}}"));
    // Ten tries, from wherever they come, in the database.
    let wrong = form(&[
        ("redirect", &redirect),
        ("email", "ray@example.com"),
        ("password", "wrong"),
        ("consent", "given"),
    ]);
    for at in 0..10 {
        assert_eq!(sign_in(&wrong).status, 400, "{at}");
    }
    let late = sign_in(&agreeing(&redirect, "ray"));
    shown(&late, 429, "'self' https://ora-app.example");
    assert!(late.header("retry-after").unwrap().parse::<u32>().unwrap() > 0, "{late:?}");
    assert_eq!(sessions(&ray), "0");
    // Ten of a network, by nginx, whatever they are.
    let from = |at: usize| {
        service().nginx.send_from(
            &format!("2001:db8:0:690::{at}"),
            "POST",
            "/auth/sign_in",
            &[FORM, OWN],
            "x=y",
        )
    };
    let statuses: Vec<_> = (0..14).map(|at| from(at).status).collect();
    assert_eq!(statuses, [[404; 10].as_slice(), &[429; 4]].concat());
    assert_eq!(from(1).header("retry-after"), Some("6"));
    // The page itself is no try.
    let page =
        service().nginx.send_from("2001:db8:0:690::1", "GET", &format!("/auth?redirect={redirect}"), &[], "");
    assert_eq!(page.status, 200);
}
