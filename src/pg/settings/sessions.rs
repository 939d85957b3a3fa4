//! Who signs in here, for how long, and how often somebody may try. The functions in `sql/functions/users/` and
//! `sql/functions/sessions/` read these.

use crate::pg::ffi::carrier;
use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum};
use std::ffi::{CStr, CString};

/// Who makes users. SQL compares the names.
#[derive(Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
enum UserCreation {
    #[name = c"admin"]
    Admin,
    #[name = c"interactive"]
    Interactive,
    #[name = c"anonymous"]
    Anonymous,
}

/// Whether users confirm their address before they sign in. SQL compares the names.
#[derive(Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
enum Confirmation {
    #[name = c"auto"]
    Auto,
    #[name = c"on"]
    On,
    #[name = c"off"]
    Off,
}

static USER_CREATION: GucSetting<UserCreation> = GucSetting::<UserCreation>::new(UserCreation::Admin);
static CONFIRM_EMAIL: GucSetting<Confirmation> = GucSetting::<Confirmation>::new(Confirmation::Auto);
static CONFIRM_EMAIL_IN_DOUBT: GucSetting<Confirmation> = GucSetting::<Confirmation>::new(Confirmation::On);
static SESSION_ISSUER: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));

/// A number, its value in doubt, where a client may have hidden a stricter one, and what it may be.
struct Number {
    name: &'static CStr,
    about: &'static CStr,
    details: &'static CStr,
    setting: &'static GucSetting<i32>,
    in_doubt: &'static GucSetting<i32>,
    least: i32,
    most: i32,
    unit: GucFlags,
}

/// Ten years.
const LONGEST: i32 = 3653 * 86_400;

static ACCESS_TOKEN_LIFETIME: GucSetting<i32> = GucSetting::<i32>::new(3600);
static ACCESS_TOKEN_LIFETIME_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(60);
static SESSION_LIFETIME: GucSetting<i32> = GucSetting::<i32>::new(0);
static SESSION_LIFETIME_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(60);
static SESSION_IDLE_TIME: GucSetting<i32> = GucSetting::<i32>::new(0);
static SESSION_IDLE_TIME_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(1);
static MAX_SESSIONS: GucSetting<i32> = GucSetting::<i32>::new(100);
static MAX_SESSIONS_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(1);
static REFRESH_REUSE_GRACE: GucSetting<i32> = GucSetting::<i32>::new(10);
static REFRESH_REUSE_GRACE_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(0);
static ONE_TIME_TOKEN_LIFETIME: GucSetting<i32> = GucSetting::<i32>::new(3600);
static ONE_TIME_TOKEN_LIFETIME_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(1);
static MAX_SIGN_IN_TRIES: GucSetting<i32> = GucSetting::<i32>::new(10);
static MAX_SIGN_IN_TRIES_PER_NETWORK: GucSetting<i32> = GucSetting::<i32>::new(100);
static MAX_MAILS: GucSetting<i32> = GucSetting::<i32>::new(5);
/// In doubt nobody signs in. Each has its own: what is set is kept there.
static MAX_SIGN_IN_TRIES_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(0);
static MAX_SIGN_IN_TRIES_PER_NETWORK_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(0);
static MAX_MAILS_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(0);
static SIGN_IN_TRIES_PERIOD: GucSetting<i32> = GucSetting::<i32>::new(900);
static SIGN_IN_TRIES_PERIOD_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(86_400);

fn numbers() -> [Number; 10] {
    let seconds = GucFlags::UNIT_S;
    let plain = GucFlags::default();
    let number = |name, about, details, setting, in_doubt, least, most, unit| Number {
        name,
        about,
        details,
        setting,
        in_doubt,
        least,
        most,
        unit,
    };
    [
        number(
            c"pg_bearer.access_token_lifetime",
            c"How long an access token of a session lives.",
            c"It is the expires_in of the answer.",
            &ACCESS_TOKEN_LIFETIME,
            &ACCESS_TOKEN_LIFETIME_IN_DOUBT,
            10,
            86_400,
            seconds,
        ),
        number(
            c"pg_bearer.session_lifetime",
            c"How long a session lasts that begins now, however often it is refreshed.",
            c"0: for ever.",
            &SESSION_LIFETIME,
            &SESSION_LIFETIME_IN_DOUBT,
            0,
            LONGEST,
            seconds,
        ),
        number(
            c"pg_bearer.session_idle_time",
            c"After what time without a refresh a session ends.",
            c"0: never.",
            &SESSION_IDLE_TIME,
            &SESSION_IDLE_TIME_IN_DOUBT,
            0,
            LONGEST,
            seconds,
        ),
        number(
            c"pg_bearer.max_sessions",
            c"How many sessions a user may have; beginning one more ends the oldest.",
            c"0: as many as they like.",
            &MAX_SESSIONS,
            &MAX_SESSIONS_IN_DOUBT,
            0,
            10_000,
            plain,
        ),
        number(
            c"pg_bearer.refresh_reuse_grace",
            c"How long after a refresh the same refresh token gives the same next one.",
            c"For clients that ask twice at once, or did not get the answer. 0: a refresh token is good for one refresh.",
            &REFRESH_REUSE_GRACE,
            &REFRESH_REUSE_GRACE_IN_DOUBT,
            0,
            300,
            seconds,
        ),
        number(
            c"pg_bearer.one_time_token_lifetime",
            c"How long a token is good that is mailed.",
            c"At most an hour.",
            &ONE_TIME_TOKEN_LIFETIME,
            &ONE_TIME_TOKEN_LIFETIME_IN_DOUBT,
            1,
            3600,
            seconds,
        ),
        number(
            c"pg_bearer.max_sign_in_tries",
            c"How often somebody may try to sign in with one address within pg_bearer.sign_in_tries_period.",
            c"From a network from which the user signed in before, others' tries do not count.",
            &MAX_SIGN_IN_TRIES,
            &MAX_SIGN_IN_TRIES_IN_DOUBT,
            0,
            1_000_000,
            plain,
        ),
        number(
            c"pg_bearer.max_sign_in_tries_per_network",
            c"How often somebody may try to sign in, sign up or redeem a token from one network within pg_bearer.sign_in_tries_period.",
            c"A network is an IPv4 address, or the first 64 bits of an IPv6 address.",
            &MAX_SIGN_IN_TRIES_PER_NETWORK,
            &MAX_SIGN_IN_TRIES_PER_NETWORK_IN_DOUBT,
            0,
            1_000_000,
            plain,
        ),
        number(
            c"pg_bearer.max_mails",
            c"How many mails one address may be sent within pg_bearer.sign_in_tries_period.",
            c"Services and administrators, but where they sign somebody up, are not limited.",
            &MAX_MAILS,
            &MAX_MAILS_IN_DOUBT,
            0,
            1_000_000,
            plain,
        ),
        number(
            c"pg_bearer.sign_in_tries_period",
            c"In which time tries to sign in are counted together.",
            c"Somebody who tried too often may try again little by little.",
            &SIGN_IN_TRIES_PERIOD,
            &SIGN_IN_TRIES_PERIOD_IN_DOUBT,
            1,
            86_400,
            seconds,
        ),
    ]
}

pub(super) fn define() {
    GucRegistry::define_enum_guc(
        c"pg_bearer.user_creation",
        c"Who makes users who sign in here: admin, interactive (auth.sign_up) or anonymous (auth.sign_in_anonymously too).",
        c"admin leaves it to administrators and service credentials.",
        &USER_CREATION,
        GucContext::Suset,
        GucFlags::default(),
    );
    let name = c"pg_bearer.confirm_email";
    let in_doubt = carrier::was_set_by_session(name);
    GucRegistry::define_enum_guc(
        name,
        c"Whether users confirm their e-mail address before they sign in: on, off, or auto, where the hook send_email is set.",
        c"off: they sign in, and the address stays unconfirmed.",
        if in_doubt { &CONFIRM_EMAIL_IN_DOUBT } else { &CONFIRM_EMAIL },
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"pg_bearer.session_issuer",
        c"The issuer of ours whose access tokens those get who sign in.",
        c"Empty: the only one.",
        &SESSION_ISSUER,
        GucContext::Suset,
        GucFlags::default(),
    );
    for number in numbers() {
        let in_doubt = carrier::was_set_by_session(number.name);
        GucRegistry::define_int_guc(
            number.name,
            number.about,
            number.details,
            if in_doubt { number.in_doubt } else { number.setting },
            number.least,
            number.most,
            GucContext::Suset,
            number.unit,
        );
    }
}
