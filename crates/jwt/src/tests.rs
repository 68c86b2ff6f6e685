//! Tokens: what is read, what is refused, and who may connect.

use nkeys::KeyPair;
use serde_json::{Map, Value, json};

use crate::{
    AccountClaims, Admission, DecodeError, OperatorClaims, Refusal, TrustedKeys, UserClaims,
    encode, undecorated, verify_nonce,
};

const NOW: i64 = 1_800_000_000;

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => panic!("claims are an object"),
    }
}

fn token(issuer: &KeyPair, value: Value) -> String {
    encode(fields(value), issuer).unwrap()
}

fn no_limits() -> Value {
    json!({"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
           "conn": -1, "leaf": -1})
}

/// Keys of an operator, an account, a signing key of that, and a user.
struct Cast {
    operator: KeyPair,
    account: KeyPair,
    signer: KeyPair,
    user: KeyPair,
    trusted: TrustedKeys,
}

impl Cast {
    fn new() -> Cast {
        let operator = KeyPair::new_operator();
        let trusted = TrustedKeys::new([operator.public_key()]);
        Cast {
            operator,
            account: KeyPair::new_account(),
            signer: KeyPair::new_account(),
            user: KeyPair::new_user(),
            trusted,
        }
    }

    /// The account, with these claims besides the usual ones.
    fn account(&self, nats: Value) -> AccountClaims {
        self.account_of(&self.operator, nats)
    }

    fn account_of(&self, issuer: &KeyPair, nats: Value) -> AccountClaims {
        AccountClaims::decode(&token(issuer, self.account_json(nats))).unwrap()
    }

    fn account_json(&self, nats: Value) -> Value {
        let mut all = fields(json!({"type": "account", "limits": no_limits()}));
        all.extend(fields(nats));
        json!({"sub": self.account.public_key(), "iat": NOW - 100, "name": "A", "nats": all})
    }

    /// The user, with these claims besides the usual ones.
    fn user(&self, issuer: &KeyPair, top: Value, nats: Value) -> UserClaims {
        let mut all = fields(json!({"type": "user", "subs": -1, "data": -1, "payload": -1}));
        all.extend(fields(nats));
        let mut claims = fields(json!({
            "sub": self.user.public_key(), "iat": NOW - 50, "name": "me", "nats": all
        }));
        claims.extend(fields(top));
        UserClaims::decode(&token(issuer, Value::Object(claims))).unwrap()
    }

    fn plain_user(&self) -> UserClaims {
        self.user(&self.account, json!({}), json!({}))
    }

    fn admit(&self, user: &UserClaims, account: &AccountClaims) -> Result<Admission, Refusal> {
        self.admit_from(user, account, "10.1.2.3")
    }

    fn admit_from(
        &self,
        user: &UserClaims,
        account: &AccountClaims,
        from: &str,
    ) -> Result<Admission, Refusal> {
        let valid = |subject: &str| !subject.is_empty() && !subject.contains(' ');
        self.trusted.admit(user, account, from.parse().ok(), NOW, &valid)
    }
}

#[test]
fn a_user_of_an_account_of_the_operator_is_let_in() {
    let cast = Cast::new();
    let admission = cast.admit(&cast.plain_user(), &cast.account(json!({}))).unwrap();
    assert_eq!((admission.until, &admission.signing_key), (None, &None));
    assert_eq!(admission.permissions(), None);
    assert_eq!(admission.limits.max_payload, -1);
}

#[test]
fn tampered_tokens_are_refused() {
    let cast = Cast::new();
    let good = token(&cast.operator, cast.account_json(json!({})));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other = token(&KeyPair::new_operator(), cast.account_json(json!({})));
    let (other_signed, _) = other.rsplit_once('.').unwrap();
    let swapped = format!("{other_signed}.{signature}");
    assert_eq!(AccountClaims::decode(&swapped), Err(DecodeError::Signature(2)));
    for at in [0, signed.len() / 2, signed.len() - 1, good.len() - 3] {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let tampered = String::from_utf8(bytes).unwrap();
        assert!(AccountClaims::decode(&tampered).is_err(), "byte {at}");
    }
    assert!(AccountClaims::decode(&good).is_ok());
}

/// Whatever is changed, cut or put in between: it is no token any more, and nothing breaks.
#[test]
fn every_byte_counts() {
    let cast = Cast::new();
    let good = token(&cast.operator, cast.account_json(json!({})));
    for at in 0..good.len() {
        let (before, after) = good.split_at(at);
        let rest = after.get(1..).unwrap_or_default();
        for other in
            [format!("{before}{rest}"), format!("{before}~{rest}"), format!("{before}.{rest}")]
        {
            assert!(AccountClaims::decode(&other).is_err() || other == good, "byte {at}");
        }
        assert!(UserClaims::decode(before).is_err());
    }
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    use base64::Engine;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let header = engine.encode(r#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let deep = format!("{header}.{}.AAAA", engine.encode(deep));
    assert!(matches!(AccountClaims::decode(&deep), Err(DecodeError::Json(_))));
}

#[test]
fn what_is_no_token_is_refused() {
    let cast = Cast::new();
    let text = |token: &str| UserClaims::decode(token).unwrap_err().to_string();
    assert_eq!(text(""), "expected 3 chunks");
    assert_eq!(text("a.b.c.d"), "expected 3 chunks");
    assert_eq!(text("!.b.c"), "illegal base64 data");
    assert_eq!(
        text(&"x".repeat(2 << 20)),
        "token size 2097152 exceeds maximum of 1048576 bytes: token too large"
    );
    let account = token(&cast.operator, cast.account_json(json!({})));
    assert_eq!(text(&account), "not user claim");
    assert_eq!(OperatorClaims::decode(&account).unwrap_err().to_string(), "not operator claim");
    // A user that an operator signed.
    let user = json!({"sub": cast.user.public_key(), "nats": {"type": "user"}});
    assert_eq!(
        text(&token(&cast.operator, user)),
        "unable to validate expected prefixes - [account]"
    );
    let newer = json!({"sub": "x", "type": "", "nats": {"type": "user"}});
    let good = token(&cast.account, newer);
    assert!(UserClaims::decode(&good).is_ok());
    use base64::Engine;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    for (header, wanted) in [
        (r#"{"typ":"JWX","alg":"ed25519-nkey"}"#, "not supported type \"JWX\""),
        (r#"{"typ":"JWT","alg":"none"}"#, "unexpected \"none\" algorithm"),
        (r#"{"typ":"JWT","alg":"ed25519-other"}"#, "unexpected \"ed25519-other\" algorithm"),
    ] {
        let rest = good.split_once('.').unwrap().1;
        assert_eq!(text(&format!("{}.{rest}", engine.encode(header))), wanted);
    }
}

/// A token of the first version: its type stands at the top, and the payload alone is signed.
fn first_version(issuer: &KeyPair, mut claims: Map<String, Value>) -> String {
    use base64::Engine;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    claims.insert("iss".to_owned(), issuer.public_key().into());
    let payload = engine.encode(Value::Object(claims).to_string());
    let header = engine.encode(r#"{"typ":"jwt","alg":"ed25519"}"#);
    let signature = engine.encode(issuer.sign(payload.as_bytes()).unwrap());
    format!("{header}.{payload}.{signature}")
}

#[test]
fn the_first_version_is_read() {
    let cast = Cast::new();
    let account = first_version(
        &cast.operator,
        fields(json!({"sub": cast.account.public_key(), "type": "account", "tags": ["t:1"],
            "nats": {"limits": {"subs": 5, "conn": 7, "mem_storage": 9},
                     "signing_keys": [cast.signer.public_key()]}})),
    );
    let account = AccountClaims::decode(&account).unwrap();
    assert_eq!((account.nats.limits.subs, account.nats.limits.conn), (5, 7));
    assert_eq!(account.nats.limits.jetstream_tiers(), None, "it knows no JetStream");
    assert_eq!(account.nats.tags, ["t:1"]);
    let user = first_version(
        &cast.signer,
        fields(json!({"sub": cast.user.public_key(), "type": "user",
            "issuer_account": cast.account.public_key(), "nats": {"src": "10.0.0.0/8,192.168.0.0/16"}})),
    );
    let user = UserClaims::decode(&user).unwrap();
    assert_eq!(user.limits.max_payload, -1, "what was not said is no limit");
    assert_eq!(user.limits.sources, ["10.0.0.0/8", "192.168.0.0/16"]);
    assert!(cast.admit(&user, &account).is_ok());
    let unsigned = first_version(&KeyPair::new_account(), fields(json!({"type": "user"})));
    let (head, _) = unsigned.rsplit_once('.').unwrap();
    assert_eq!(UserClaims::decode(&format!("{head}.AAAA")), Err(DecodeError::Signature(1)));
}

#[test]
fn the_chain_must_hold() {
    let cast = Cast::new();
    let account = cast.account(json!({"signing_keys": [cast.signer.public_key()]}));
    let by_signer = |issuer_account: String| {
        cast.user(&cast.signer, json!({}), json!({"issuer_account": issuer_account}))
    };
    let admission = cast.admit(&by_signer(cast.account.public_key()), &account).unwrap();
    assert_eq!(admission.signing_key, Some(cast.signer.public_key()));
    let stranger = cast.user(&KeyPair::new_account(), json!({}), json!({}));
    assert_eq!(cast.admit(&stranger, &account), Err(Refusal::UnknownIssuer));
    let other = KeyPair::new_operator();
    let untrusted = cast.account_of(&other, json!({}));
    assert_eq!(cast.admit(&cast.plain_user(), &untrusted), Err(Refusal::UntrustedAccount));
    let own = cast.account_of(&cast.account, json!({}));
    assert_eq!(cast.admit(&cast.plain_user(), &own), Err(Refusal::UntrustedAccount));
    let token = token(&cast.operator, cast.account_json(json!({})));
    let name = cast.account.public_key();
    assert!(cast.trusted.account(&token, &name, NOW).is_ok());
    assert!(cast.trusted.account(&token, &cast.signer.public_key(), NOW).is_err());
}

#[test]
fn strict_operators_and_accounts_sign_with_signing_keys_only() {
    let cast = Cast::new();
    let signer = KeyPair::new_operator();
    let operator = token(
        &cast.operator,
        json!({"sub": cast.operator.public_key(), "name": "O", "nats": {"type": "operator",
            "signing_keys": [signer.public_key()], "strict_signing_key_usage": true}}),
    );
    let operator = OperatorClaims::decode(&operator).unwrap();
    let trusted = TrustedKeys::of_operators(&[operator]);
    assert!(!trusted.contains(&cast.operator.public_key()));
    assert!(trusted.contains(&signer.public_key()));
    let account = cast.account_of(&signer, json!({"signing_keys": [cast.signer.public_key()]}));
    assert!(trusted.signer(&account, &cast.account.public_key()).is_none());
    assert!(trusted.signer(&account, &cast.signer.public_key()).is_some());
}

#[test]
fn times_revocations_and_bearers() {
    let cast = Cast::new();
    let account = cast.account(json!({}));
    let user = |top: Value| cast.user(&cast.account, top, json!({}));
    let until = cast.admit(&user(json!({"exp": NOW + 10})), &account).unwrap().until;
    assert_eq!(until, Some(NOW + 10));
    let expired = cast.admit(&user(json!({"exp": NOW - 1})), &account).unwrap_err();
    assert_eq!(expired.to_string(), "User JWT no longer valid: claim is expired");
    let early = cast.admit(&user(json!({"nbf": NOW + 60})), &account).unwrap_err();
    assert_eq!(early.to_string(), "User JWT no longer valid: claim is not yet valid");

    let me = cast.user.public_key();
    for (revocations, refused) in [
        (json!({me.as_str(): NOW}), true),
        (json!({me.as_str(): NOW - 50}), true),
        (json!({me.as_str(): NOW - 51}), false),
        (json!({"*": NOW}), true),
        (json!({"*": NOW - 51, "UOTHER": NOW}), false),
    ] {
        let account = cast.account(json!({"revocations": revocations}));
        let outcome = cast.admit(&cast.plain_user(), &account);
        assert_eq!(outcome == Err(Refusal::Revoked), refused, "{revocations}");
    }
    let mut limits = fields(no_limits());
    limits.insert("disallow_bearer".to_owned(), true.into());
    let strict = cast.account(json!({"limits": limits}));
    let bearer = cast.user(&cast.account, json!({}), json!({"bearer_token": true}));
    assert!(cast.admit(&bearer, &account).unwrap().limits.bearer_token);
    assert_eq!(cast.admit(&bearer, &strict), Err(Refusal::Bearer));
    assert!(cast.admit(&cast.plain_user(), &strict).is_ok());

    let mut ending = cast.account_json(json!({}));
    ending["exp"] = (NOW - 1).into();
    let ending = AccountClaims::decode(&token(&cast.operator, ending)).unwrap();
    assert_eq!(cast.admit(&cast.plain_user(), &ending), Err(Refusal::AccountExpired));
    let me = cast.user.public_key();
    let other = KeyPair::new_user().public_key();
    for (users, refused) in [(json!([other]), true), (json!([other, me]), false)] {
        let outside = cast.account(json!({"authorization": {"auth_users": users}}));
        let outcome = cast.admit(&cast.plain_user(), &outside);
        assert_eq!(outcome == Err(Refusal::Callout), refused, "{users}");
    }
    let proxied = cast.user(&cast.account, json!({}), json!({"proxy_required": true}));
    assert_eq!(cast.admit(&proxied, &account), Err(Refusal::Proxy));
}

#[test]
fn networks_and_times_of_the_day() {
    let cast = Cast::new();
    let account = cast.account(json!({}));
    let at = |nats: Value, from: &str| {
        let user = cast.user(&cast.account, json!({}), nats);
        cast.admit_from(&user, &account, from)
    };
    let nets = json!({"src": ["10.0.0.0/8", "fd00::/16"]});
    assert!(at(nets.clone(), "10.200.0.1").is_ok());
    assert!(at(nets.clone(), "::ffff:10.0.0.1").is_ok());
    assert!(at(nets.clone(), "fd00:1::1").is_ok());
    assert_eq!(at(nets.clone(), "11.0.0.1"), Err(Refusal::Source("11.0.0.1".to_owned())));
    assert!(at(nets, "unknown").is_err());
    assert!(at(json!({"src": ["0.0.0.0/0"]}), "1.2.3.4").is_ok());
    assert!(matches!(at(json!({"src": ["10.0.0.0"]}), "10.0.0.0"), Err(Refusal::Invalid(_))));
    // 2027-01-15 08:00:00 UTC.
    let times = |start: &str, end: &str, zone: &str| {
        let times = json!([{"start": start, "end": end}]);
        at(json!({"times": times, "times_location": zone}), "1.1.1.1").map(|a| a.until)
    };
    assert_eq!(times("07:00:00", "09:00:00", "Etc/UTC"), Ok(Some(NOW + 3600)));
    assert_eq!(times("08:30:00", "09:00:00", "Etc/UTC"), Err(Refusal::Time));
    assert_eq!(times("22:00:00", "08:30:00", "Etc/UTC"), Ok(Some(NOW + 1800)));
    assert_eq!(times("07:59:00", "07:00:00", "Etc/UTC"), Ok(Some(NOW + 23 * 3600)));
    assert_eq!(times("09:00:00", "07:00:00", "Etc/UTC"), Err(Refusal::Time));
    // There it is 09:00.
    assert_eq!(times("08:30:00", "09:30:00", "Europe/Berlin"), Ok(Some(NOW + 1800)));
    assert!(matches!(times("8", "9", "Etc/UTC"), Err(Refusal::Invalid(_))));
    assert!(matches!(times("08:00:00", "09:00:00", "No/Where"), Err(Refusal::Invalid(_))));
}

#[test]
fn scopes_say_what_their_users_may_do() {
    let cast = Cast::new();
    let scoped = |template: Value| {
        cast.account(json!({"tags": ["region:eu"], "signing_keys": [{
            "kind": "user_scope", "key": cast.signer.public_key(), "role": "r",
            "template": template}]}))
    };
    let tags = json!(["dept:a", "dept:b"]);
    let user = {
        let nats = json!({"type": "user", "tags": tags,
            "issuer_account": cast.account.public_key()});
        let claims = json!({"sub": cast.user.public_key(), "name": "me", "iat": 1, "nats": nats});
        UserClaims::decode(&token(&cast.signer, claims)).unwrap()
    };
    let allow = |list: Value| {
        let account = scoped(json!({"pub": {"allow": list}, "payload": 10}));
        cast.admit(&user, &account).map(|admission| admission.limits.permissions.publish)
    };
    let plain = cast.admit(&user, &scoped(json!({"payload": 10}))).unwrap();
    assert_eq!((plain.limits.max_payload, plain.limits.max_subscriptions), (10, -1));
    let filled =
        allow(json!(["q.{{name()}}.{{ subject() }}", "r.{{tag(dept)}}.{{account-tag(region)}}"]));
    let me = cast.user.public_key();
    assert_eq!(filled.unwrap().allow, [&*format!("q.me.{me}"), "r.a.eu", "r.b.eu"]);
    let names = allow(json!(["{{account-name()}}.{{account-subject()}}"])).unwrap();
    assert_eq!(names.allow, [format!("A.{}", cast.account.public_key())]);
    // What cannot be filled in is left out, and does not come to mean everything.
    let none = allow(json!(["x.{{tag(unknown)}}"])).unwrap();
    assert_eq!((none.allow.len(), &none.deny[..]), (0, &[">".to_owned()][..]));
    let denied = scoped(json!({"pub": {"deny": ["x.{{tag(unknown)}}"]}}));
    assert_eq!(cast.admit(&user, &denied), Err(Refusal::Template));
    assert_eq!(allow(json!(["{{nothing()}}"])), Err(Refusal::Template));
    let many = "{{tag(dept)}}".repeat(13);
    assert_eq!(allow(json!([many])), Err(Refusal::Template), "8192 subjects");
    // Users of a scope say nothing themselves.
    let loud = cast.user(
        &cast.signer,
        json!({}),
        json!({"issuer_account": cast.account.public_key(), "payload": 5}),
    );
    assert_eq!(cast.admit(&loud, &scoped(json!({}))), Err(Refusal::NotScoped));
}

#[test]
fn claims_of_accounts_are_checked() {
    let cast = Cast::new();
    let errors = |nats: Value| -> Vec<String> {
        let issues = cast.account(nats).check(NOW);
        issues.errors().map(str::to_owned).collect()
    };
    assert_eq!(errors(json!({})), [""; 0]);
    let mut limits = fields(no_limits());
    limits.extend(fields(json!({"imports": 0, "exports": 1, "wildcards": false})));
    let other = KeyPair::new_account().public_key();
    assert_eq!(
        errors(json!({"limits": limits,
            "imports": [{"subject": "a", "account": other, "type": "stream"}],
            "exports": [{"subject": "b.*", "type": "service"}, {"subject": "c", "type": "stream"}]})),
        [
            "the account contains more imports than allowed by the operator",
            "the account contains more exports than allowed by the operator",
            "the account contains wildcard exports that are not allowed by the operator",
        ]
    );
    assert_eq!(
        errors(json!({"exports": [{"subject": "a.>", "type": "stream"},
                                  {"subject": "a.b", "type": "stream"}]})),
        ["stream export subject \"a.>\" already exports \"a.b\""]
    );
    assert_eq!(
        errors(
            json!({"imports": [{"subject": "a.*", "local_subject": "b.$2", "account": other, "type": "stream"}]})
        ),
        [
            "Reference $2 in \"b.$2\" reference * in \"a.*\" that do not exist",
            "subject does not contain enough * or reference wildcards $[0-9]"
        ]
    );
    assert_eq!(
        errors(
            json!({"mappings": {"a": [{"subject": "b", "weight": 60}, {"subject": "c", "weight": 50}]}})
        ),
        ["Mapping \"a\" exceeds 100% among all of it's weighted to mappings"]
    );
    assert_eq!(
        errors(json!({"default_permissions": {"pub": {"allow": ["a b"]}}})),
        ["Permission Subject \"a b\" is not allowed to contain queue"]
    );
    assert_eq!(
        errors(json!({"signing_keys": ["x"], "cluster_traffic": "y"})),
        ["\"x\" is not a valid account signing key", "unknown cluster traffic option: \"y\""]
    );
}

#[test]
fn jetstream_limits_flat_and_by_tier() {
    let cast = Cast::new();
    let tiers =
        |limits: Value| cast.account(json!({"limits": limits})).nats.limits.jetstream_tiers();
    assert_eq!(tiers(json!({"streams": 5})), None, "no bytes, no JetStream");
    let flat = tiers(json!({"mem_storage": 5, "disk_storage": -1, "streams": 3,
        "max_bytes_required": true, "max_ack_pending": 7}));
    let flat = flat.unwrap();
    assert_eq!((flat[""].mem_storage, flat[""].disk_storage, flat[""].streams), (5, -1, 3));
    assert!(flat[""].max_bytes_required);
    let tiered = tiers(json!({"mem_storage": 5, "tiered_limits": {
        "R1": {"disk_storage": 9, "disk_max_stream_bytes": 4}, "R3": {}}}));
    let tiered = tiered.unwrap();
    assert_eq!(tiered.keys().collect::<Vec<_>>(), ["R1", "R3"]);
    assert_eq!(tiered["R1"].disk_max_stream_bytes, 4);
    assert_eq!(tiers(json!({"tiered_limits": {"R1": {"streams": 1}}})), None);
}

#[test]
fn activations_of_imports() {
    let cast = Cast::new();
    let exporter = cast.account(json!({"exports": [
        {"subject": "a.>", "type": "stream", "token_req": true, "revocations": {}}]}));
    let importer = KeyPair::new_account().public_key();
    let activated = |issuer: &KeyPair, subject: &str, exp: i64, revoked: i64| {
        let activation = token(
            issuer,
            json!({"sub": importer, "iat": NOW - 20, "exp": exp,
            "nats": {"type": "activation", "subject": subject, "kind": "stream"}}),
        );
        let import = json!({"subject": "a.b", "account": cast.account.public_key(),
            "type": "stream", "token": activation});
        let import = serde_json::from_value(import).unwrap();
        let mut export = exporter.nats.exports[0].clone();
        export.revocations.insert(importer.clone(), revoked);
        cast.trusted.activates(&import, &importer, &export, &exporter, NOW).is_some()
    };
    assert!(activated(&cast.account, "a.>", NOW + 5, 0));
    assert!(activated(&cast.account, "a.b", 0, NOW - 21));
    assert!(!activated(&cast.account, "a.c", 0, 0), "for another subject");
    assert!(!activated(&cast.account, "a.>", NOW - 1, 0), "expired");
    assert!(!activated(&cast.account, "a.>", 0, NOW - 20), "revoked");
    assert!(!activated(&cast.signer, "a.>", 0, 0), "signed by somebody else");
}

#[test]
fn signatures_over_the_nonce() {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let user = KeyPair::new_user();
    let bytes = user.sign(b"nonce").unwrap();
    let check = |nonce: &str, signature: &str| verify_nonce(&user.public_key(), nonce, signature);
    assert_eq!(check("nonce", &URL_SAFE_NO_PAD.encode(&bytes)), Ok(()));
    assert_eq!(check("nonce", &STANDARD.encode(&bytes)), Ok(()));
    assert_eq!(check("other", &STANDARD.encode(&bytes)), Err("Signature not verified"));
    assert_eq!(check("nonce", ""), Err("Signature missing"));
    assert_eq!(check("nonce", "%"), Err("Signature not valid base64"));
    assert_eq!(verify_nonce("U", "nonce", "AA"), Err("User nkey not valid"));
}

#[test]
fn tokens_in_files() {
    let file =
        "-----BEGIN NATS OPERATOR JWT-----\neyJ0.a-_b.c=\n------END NATS OPERATOR JWT------\n\n";
    assert_eq!(undecorated(file), "eyJ0.a-_b.c=");
    assert_eq!(undecorated(&file.replace('\n', "\r\n")), "eyJ0.a-_b.c=");
    assert_eq!(undecorated("eyJ0.a.b"), "eyJ0.a.b");
    assert_eq!(undecorated(""), "");
    let credentials =
        format!("{file}***\n-----BEGIN USER NKEY SEED-----\nSUX\n------END USER NKEY SEED------\n");
    assert_eq!(undecorated(&credentials), "eyJ0.a-_b.c=", "the first one");
}
