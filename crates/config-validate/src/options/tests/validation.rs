//! Options that do not go together.

use super::*;

fn validated(text: &str) -> Result<Options, String> {
    let mut options = options(text);
    validate(&mut options).map_err(|error| error.to_string())?;
    Ok(options)
}

fn accept(text: &str) {
    if let Err(error) = validated(text) {
        panic!("{text:?}: {error}");
    }
}

fn refuse(text: &str, wanted: &str) {
    match validated(text) {
        Err(error) => assert_eq!(error, wanted, "{text:?}"),
        Ok(_) => panic!("{text:?} was accepted"),
    }
}

#[test]
fn the_defaults_are_valid() {
    assert_eq!(validate(&mut Options::default()), Ok(()));
}

#[test]
fn lame_duck_times() {
    refuse(
        "lame_duck_grace_period: '2m'",
        "lame duck grace period (2m0s) should be strictly lower than lame duck duration (2m0s)",
    );
    accept("lame_duck_grace_period: '119s'");
}

#[test]
fn payload_must_fit_the_buffer() {
    refuse(
        "max_pending: 1048575",
        "max_payload (1048576) cannot be higher than max_pending (1048575)",
    );
    accept("max_pending: 1048576");
    accept("max_pending: 1048577");
}

#[test]
fn no_auth_user_must_exist() {
    let missing = "no_auth_user: \"x\" present, but users/nkeys are not defined";
    refuse("no_auth_user: x", missing);
    refuse("no_auth_user: x\nauthorization {users: []}", missing);
    refuse(
        "no_auth_user: x\nauthorization {users: [{user: y}]}",
        "no_auth_user: \"x\" not present as user or nkey in authorization block or account \
         configuration",
    );
    accept("no_auth_user: x\nauthorization {users: [{user: x}]}");
    accept("no_auth_user: x\naccounts {A {users: [{user: x}]}}");
}

#[test]
fn the_system_account_must_exist_and_have_no_jetstream() {
    refuse("system_account: X", "error resolving system account: account missing");
    accept("system_account: X\naccounts {X {}}");
    let with_jetstream = "system_account: X\naccounts {X {jetstream: true}}";
    accept(with_jetstream);
    refuse(
        &format!("{with_jetstream}\njetstream: true"),
        "Not allowed to enable JetStream on the system account",
    );
}

#[test]
fn the_own_domain_must_fit_into_a_subject() {
    mark::check!(F1449);
    for domain in ["HU..B", "HU B", " ", "\\t", "CORE.", ".CORE", ">"] {
        let shown = domain.replace("\\t", "\t");
        let derived = crate::quote::quoted(&format!("$JS.{shown}.API.>"));
        // JetStream need not be on.
        refuse(
            &format!("jetstream {{enabled: false, domain: \"{domain}\"}}"),
            &format!("invalid domain name: derived {derived} is not a valid subject"),
        );
    }
    for domain in ["C.ORE", "*", "a>"] {
        refuse(
            &format!("jetstream {{domain: \"{domain}\"}}"),
            "invalid domain name: may not contain ., * or >",
        );
    }
    for domain in ["HUB", "$x"] {
        accept(&format!("jetstream {{domain: \"{domain}\"}}"));
    }
}

#[test]
fn default_domains_of_accounts() {
    mark::check!(F1449);
    refuse(
        "default_js_domain {X: d}",
        "in non operator mode, `default_js_domain` references non existing account \"X\"",
    );
    refuse(
        "default_js_domain {A: d}\naccounts {A {jetstream: true}}",
        "default_js_domain contains account name \"A\" with enabled JetStream",
    );
    refuse(
        "default_js_domain {S: d}\naccounts {S {}}\nsystem_account: S",
        "system account \"S\" can not be in default_js_domain",
    );
    refuse(
        "default_js_domain {A: 'x..y'}\naccounts {A {}}",
        "default_js_domain contains account \"A\" with invalid domain name \"x..y\"",
    );
    accept("default_js_domain {A: d}\naccounts {A {}}");
    accept("default_js_domain {A: ''}\naccounts {A {jetstream: true}}");
    accept("default_js_domain {$G: d}\nport: 1");
}

#[test]
fn a_jetstream_cluster_needs_names_and_sound_settings() {
    mark::check!(F1449);
    let cluster = |jetstream: &str, rest: &str| format!("jetstream {{{jetstream}}}\n{rest}");
    let named = "server_name: s\ncluster {name: c, port: 6222}";
    refuse(
        &cluster("", "cluster {name: c, port: 6222}"),
        "jetstream cluster requires `server_name` to be set",
    );
    refuse(
        &cluster("", "server_name: s\ncluster {port: 6222}"),
        "jetstream cluster requires `cluster.name` to be set",
    );
    accept(&cluster("enabled: false", "cluster {port: 6222}"));
    let options = validated(&cluster("extension_hint: NO_Extend", named)).expect("valid");
    assert_eq!(options.jetstream.extension_hint, "no_extend");
    refuse(
        &cluster("extension_hint: Bogus", named),
        "expected 'no_extend' for string value, got 'bogus'",
    );
    refuse(
        &cluster("max_outstanding_catchup: -1", named),
        "jetstream max catchup cannot be negative",
    );
    // A single server does not look at either.
    let options = validated(&cluster("extension_hint: Bogus, max_outstanding_catchup: -1", ""));
    assert_eq!(options.expect("valid").jetstream.extension_hint, "Bogus");
}

#[test]
fn default_domains_under_operators_go_by_keys() {
    mark::check!(F1449);
    let mut options = options("default_js_domain {A: d}");
    options.operator.trusted_keys.push("O".into());
    let error = validate_jetstream(&mut options).expect_err("no key");
    assert_eq!(
        error.to_string(),
        "default_js_domain contains account name \"A\", which is not a valid public account nkey"
    );
    let key = nkeys::KeyPair::new_account().public_key();
    options.default_js_domain = [(key, "d".to_owned())].into();
    assert_eq!(validate_jetstream(&mut options), Ok(()));
}
