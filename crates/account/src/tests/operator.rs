//! Users with tokens and keys: let in, looked at again, turned away.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use config_validate::options::{ConnectionType, Options};
use jwt::Refusal;
use nkeys::KeyPair;
use serde_json::{Value, json};

use crate::{
    Accounts, AuthError, Claimed, Credentials, Ending, Expiring, Standing, Trust, now_unix_s,
};

fn token(issuer: &KeyPair, claims: Value) -> String {
    match claims {
        Value::Object(claims) => jwt::encode(claims, issuer).unwrap(),
        _ => panic!("claims are an object"),
    }
}

/// An operator with an account, and options that trust it.
struct Rig {
    operator: KeyPair,
    account: KeyPair,
    options: Options,
    trust: Trust,
}

impl Rig {
    fn new(change: impl FnOnce(&Rig, &mut Options)) -> Rig {
        let operator = KeyPair::new_operator();
        let mut options = Options::default();
        options.operator.trusted_keys = vec![operator.public_key()];
        let trust = Trust::new(&options.operator);
        let mut rig = Rig { operator, account: KeyPair::new_account(), options, trust };
        let mut options = rig.options.clone();
        change(&rig, &mut options);
        rig.trust = Trust::new(&options.operator);
        rig.options = options;
        rig
    }

    fn claimed(&self, nats: &Value, exp: i64) -> Claimed {
        let mut all = json!({"type": "account", "limits": {"subs": -1, "payload": -1,
            "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1}});
        for (name, value) in nats.as_object().unwrap() {
            all[name] = value.clone();
        }
        let name = self.account.public_key();
        let claims = json!({"sub": name, "name": "A", "exp": exp, "nats": all});
        self.trust.read(&name, token(&self.operator, claims), 0).unwrap()
    }

    /// The registry with the account.
    fn accounts(&self, nats: &Value) -> Accounts {
        let claimed = self.claimed(nats, 0);
        let trust = self.trust.with([(self.account.public_key(), Some(claimed))]);
        let options = trust.options(&self.options, now_unix_s()).options;
        Accounts::from_claims(&options, trust.into())
    }

    /// The same registry with other claims, or without the account.
    fn renewed(&self, before: &Accounts, claimed: Option<Claimed>) -> Accounts {
        let trust = before.trust().unwrap().with([(self.account.public_key(), claimed)]);
        let options = trust.options(&self.options, now_unix_s()).options;
        before.reload_claims(&options, trust.into())
    }

    fn user(&self, user: &KeyPair, nats: Value) -> String {
        let mut all = json!({"type": "user", "subs": -1, "payload": -1, "data": -1});
        for (name, value) in nats.as_object().unwrap() {
            all[name] = value.clone();
        }
        let claims = json!({"sub": user.public_key(), "iat": now_unix_s(), "name": "me",
            "nats": all});
        token(&self.account, claims)
    }
}

fn log_in(accounts: &Accounts, token: &str, user: &KeyPair) -> Result<String, AuthError> {
    let signature = URL_SAFE_NO_PAD.encode(user.sign(b"nonce").unwrap());
    let credentials = Credentials {
        jwt: token,
        signature: &signature,
        nonce: "nonce",
        from: "127.0.0.1".parse().ok(),
        ..Default::default()
    };
    let session = accounts.authenticate(&credentials, ConnectionType::Standard)?;
    Ok(format!("{}/{}", session.account.name(), session.user.as_deref().unwrap()))
}

#[test]
fn a_token_and_a_signature_let_a_user_in() {
    let rig = Rig::new(|_, _| ());
    let accounts = rig.accounts(&json!({}));
    assert!(accounts.auth_required() && accounts.needs_nonce() && !accounts.global_only());
    assert!(accounts.system().is_none(), "nobody vouches for one");
    let user = KeyPair::new_user();
    let good = rig.user(&user, json!({}));
    let wanted = format!("{}/{}", rig.account.public_key(), user.public_key());
    assert_eq!(log_in(&accounts, &good, &user), Ok(wanted));
    assert_eq!(
        log_in(&accounts, &good, &KeyPair::new_user()),
        Err(AuthError::Signature("Signature not verified"))
    );
    assert_eq!(
        log_in(&accounts, "", &user),
        Err(AuthError::Token("Authentication requires a user JWT".to_owned()))
    );
    assert_eq!(
        log_in(&accounts, "x.y", &user),
        Err(AuthError::Token("User JWT not valid: expected 3 chunks".to_owned()))
    );
    let unknown = rig.renewed(&accounts, None);
    assert_eq!(
        log_in(&unknown, &good, &user),
        Err(AuthError::UnknownAccount(rig.account.public_key()))
    );
    let revoked = rig.accounts(&json!({"revocations": {"*": now_unix_s() + 5}}));
    assert_eq!(log_in(&revoked, &good, &user), Err(AuthError::Refused(Refusal::Revoked)));
    let elsewhere = rig.user(&user, json!({"allowed_connection_types": ["LEAFNODE"]}));
    assert_eq!(log_in(&accounts, &elsewhere, &user), Err(AuthError::ConnectionType));
}

#[test]
fn accounts_can_be_pinned_and_a_token_can_stand_in() {
    let user = KeyPair::new_user();
    let other = KeyPair::new_account().public_key();
    let pinned = Rig::new(|_, options| {
        options.operator.pinned_accounts = Some([other].into());
    });
    let accounts = pinned.accounts(&json!({}));
    assert_eq!(
        log_in(&accounts, &pinned.user(&user, json!({})), &user),
        Err(AuthError::NotPinned(pinned.account.public_key()))
    );
    let standing_in = KeyPair::new_user();
    let sentinel = Rig::new(|rig, options| {
        let token = rig.user(&standing_in, json!({"bearer_token": true}));
        options.operator.default_sentinel = Some(token);
    });
    let accounts = sentinel.accounts(&json!({}));
    let wanted = format!("{}/{}", sentinel.account.public_key(), standing_in.public_key());
    for nothing_good in ["", "x.y.z"] {
        assert_eq!(log_in(&accounts, nothing_good, &user), Ok(wanted.clone()));
    }
    let own = log_in(&accounts, &sentinel.user(&user, json!({})), &user).unwrap();
    assert!(own.ends_with(&user.public_key()), "who has a token goes by it");
}

#[test]
fn clients_follow_their_accounts_tokens() {
    let rig = Rig::new(|_, _| ());
    let before = rig.accounts(&json!({}));
    let user = KeyPair::new_user();
    let bearer = rig.user(&user, json!({"bearer_token": true, "payload": 7}));
    let credentials = Credentials { jwt: &bearer, ..Default::default() };
    let session = before.authenticate(&credentials, ConnectionType::Standard).unwrap();
    let claimed = session.claimed.as_ref().unwrap();
    assert_eq!(claimed.limits().max_payload, Some(7));
    assert_eq!(claimed.until(), None);
    assert_eq!(claimed.shown_token(), None, "that alone lets anybody in");
    assert!(!format!("{session:?}").contains(&bearer));
    assert!(matches!(before.standing(&session), Standing::Stays));

    let after = |nats: Value, exp: i64| {
        rig.renewed(&before, Some(rig.claimed(&nats, exp))).standing(&session)
    };
    let ends = |standing: Standing| match standing {
        Standing::Ends(ending) => Some(ending),
        Standing::Stays | Standing::Changed(_) => None,
    };
    assert_eq!(
        ends(after(json!({"revocations": {"*": now_unix_s() + 1}}), 0)),
        Some(Ending::Revoked)
    );
    assert_eq!(
        ends(after(
            json!({"limits": {"disallow_bearer": true, "imports": -1,
        "exports": -1}}),
            0
        )),
        Some(Ending::Violation)
    );
    assert_eq!(ends(after(json!({}), 5)), Some(Ending::Account));
    assert_eq!(ends(rig.renewed(&before, None).standing(&session)), Some(Ending::Account));
    let soon = now_unix_s() + 1000;
    let Standing::Changed(changed) =
        after(json!({"default_permissions": {"pub": {"allow": ["a"]}}}), soon)
    else {
        panic!("it stays as somebody else")
    };
    let permissions = changed.permissions.as_ref().unwrap();
    assert!(permissions.can_publish(b"a") && !permissions.can_publish(b"b"));
    assert_eq!(changed.claimed.as_ref().unwrap().until(), Some((soon, Expiring::Account)));
}

#[test]
fn users_with_keys_sign() {
    let user = KeyPair::new_user();
    let text = format!(
        "authorization {{ users: [{{nkey: {}}}, {{user: u, password: p}}] }}",
        user.public_key()
    );
    let accounts = Accounts::from_options(&Options::from_text(&text).unwrap());
    assert!(accounts.needs_nonce());
    let key = user.public_key();
    let log_in = |nkey: &str, signed: &[u8]| {
        let signature = URL_SAFE_NO_PAD.encode(user.sign(signed).unwrap());
        let credentials =
            Credentials { nkey, signature: &signature, nonce: "nonce", ..Default::default() };
        accounts.authenticate(&credentials, ConnectionType::Standard)
    };
    assert_eq!(log_in(&key, b"nonce").unwrap().user.as_deref(), Some(&*key));
    let wrong = log_in(&key, b"else").err();
    assert_eq!(wrong, Some(AuthError::Signature("Signature not verified")));
    let unknown = log_in(&KeyPair::new_user().public_key(), b"nonce").err();
    assert_eq!(unknown, Some(AuthError::UnknownUser));
    let by_name = Credentials { user: &key, ..Default::default() };
    let by_name = accounts.authenticate(&by_name, ConnectionType::Standard).err();
    assert_eq!(by_name, Some(AuthError::UnknownUser), "a key is no name for a password");
}
