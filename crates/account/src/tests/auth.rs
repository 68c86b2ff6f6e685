//! Who gets in, and where.

use config_validate::options::{ConnectionType, Options};

use crate::{Account, Accounts, AuthError, Credentials, RemoteConnections, TooManyConnections};

fn accounts(config: &str) -> Accounts {
    Accounts::from_options(&Options::from_text(config).unwrap())
}

/// The account and user that credentials lead to.
fn login(
    accounts: &Accounts,
    user: &str,
    password: &str,
    token: &str,
) -> Result<String, AuthError> {
    let credentials = Credentials { user, password, token, ..Default::default() };
    let session = accounts.authenticate(&credentials, ConnectionType::Standard)?;
    let user = session.user.as_deref().filter(|_| session.is_public()).unwrap_or("-");
    Ok(format!("{}/{user}", session.account.name()))
}

#[test]
fn open_server() {
    let accounts = accounts("");
    assert!(!accounts.auth_required() && !accounts.advertise_auth());
    assert_eq!(login(&accounts, "", "", "").unwrap(), "$G/-");
    assert_eq!(login(&accounts, "any", "thing", "").unwrap(), "$G/-");
    assert_eq!(accounts.system().unwrap().name(), "$SYS");
    assert!(accounts.global_only());
}

#[test]
fn one_user() {
    let accounts = accounts("authorization { user: me, password: secret }");
    assert!(accounts.auth_required() && accounts.advertise_auth());
    assert_eq!(login(&accounts, "me", "secret", "").unwrap(), "$G/-");
    assert_eq!(login(&accounts, "me", "secre", ""), Err(AuthError::WrongCredentials));
    assert_eq!(login(&accounts, "me", "secres", ""), Err(AuthError::WrongCredentials));
    assert_eq!(login(&accounts, "you", "secret", ""), Err(AuthError::UnknownUser));
    assert_eq!(login(&accounts, "", "", ""), Err(AuthError::UnknownUser));
}

#[test]
fn token() {
    let accounts = accounts("authorization { token: abc }");
    assert_eq!(login(&accounts, "", "", "abc").unwrap(), "$G/-");
    assert_eq!(login(&accounts, "", "", "abd"), Err(AuthError::WrongCredentials));
    assert_eq!(login(&accounts, "abc", "abc", ""), Err(AuthError::WrongCredentials));
}

#[test]
fn bcrypt_passwords() {
    let hash = bcrypt::hash("secret", 4).unwrap();
    let accounts =
        accounts(&format!("authorization {{ users: [{{user: me, password: '{hash}'}}] }}"));
    let credentials = Credentials { user: "me", password: "secret", ..Default::default() };
    assert!(accounts.is_slow(&credentials));
    assert!(!accounts.is_slow(&Credentials { user: "you", ..credentials }));
    assert_eq!(login(&accounts, "me", "secret", "").unwrap(), "$G/me");
    assert_eq!(login(&accounts, "me", "Secret", ""), Err(AuthError::WrongCredentials));
    assert_eq!(login(&accounts, "me", &hash, ""), Err(AuthError::WrongCredentials));
    assert!(accounts.warnings().is_empty());
}

const TENANTS: &str = "
    accounts {
        A { users: [{user: a, password: pa}] }
        B { users: [{user: b, password: pb, allowed_connection_types: [WEBSOCKET]}] }
        SYS { users: [{user: s, password: ps}] }
    }
    system_account: SYS
";

#[test]
fn users_of_accounts() {
    let accounts = accounts(TENANTS);
    assert_eq!(login(&accounts, "a", "pa", "").unwrap(), "A/a");
    assert_eq!(login(&accounts, "s", "ps", "").unwrap(), "SYS/s");
    assert_eq!(login(&accounts, "a", "pb", ""), Err(AuthError::WrongCredentials));
    assert_eq!(login(&accounts, "b", "pb", ""), Err(AuthError::ConnectionType));
    assert_eq!(login(&accounts, "", "", ""), Err(AuthError::MissingCredentials));
    assert_eq!(login(&accounts, "c", "", ""), Err(AuthError::UnknownUser));
    assert!(accounts.is_system(accounts.get("SYS").unwrap()));
    assert!(!accounts.is_system(accounts.get("A").unwrap()));
    assert!(!accounts.global_only());
    let names: Vec<_> = accounts.iter().map(|account| account.name()).collect();
    assert_eq!(names, ["$G", "A", "B", "SYS"]);
}

#[test]
fn stand_in_for_clients_without_credentials() {
    let accounts = accounts(&format!("{TENANTS} no_auth_user: a"));
    assert!(accounts.auth_required());
    assert!(!accounts.advertise_auth(), "clients need not know");
    assert_eq!(login(&accounts, "", "", "").unwrap(), "A/a");
    assert_eq!(login(&accounts, "a", "", ""), Err(AuthError::WrongCredentials));
    assert_eq!(login(&accounts, "", "", "token"), Err(AuthError::MissingCredentials));
}

#[test]
fn users_of_the_system_account_do_not_lock_others_out() {
    let accounts =
        accounts("accounts { SYS { users: [{user: s, password: ps}] } }\nsystem_account: SYS");
    assert_eq!(login(&accounts, "", "", "").unwrap(), "$G/-");
    assert_eq!(login(&accounts, "s", "ps", "").unwrap(), "SYS/s");
    assert_eq!(login(&accounts, "s", "", ""), Err(AuthError::WrongCredentials));
    assert!(accounts.advertise_auth());
}

#[test]
fn what_has_no_effect_is_said() {
    let accounts = accounts(
        "accounts { A { exports: [{service: x, latency: l}], users: [{user: a, password: b}] }
                    B { msg_trace: t } }",
    );
    let warnings = accounts.warnings();
    assert!(warnings.iter().any(|w| w.contains("\"A\": latency")), "{warnings:?}");
    assert!(warnings.iter().any(|w| w.contains("\"B\": msg_trace")), "{warnings:?}");
    assert!(warnings.iter().any(|w| w.starts_with("Plaintext passwords")), "{warnings:?}");
}

#[test]
fn a_reload_keeps_accounts_and_changes_nothing_until_it_is_applied() {
    let before = accounts(TENANTS);
    let text = TENANTS.replace("A {", "A { limits {max_conn: 1}, ").replace("B {", "C {");
    let options = Options::from_text(&text).unwrap();
    let after = before.reload(&options);
    let same = |name| std::ptr::eq(&**before.get(name).unwrap(), &**after.get(name).unwrap());
    assert!(same("$G") && same("A") && same("SYS"));
    assert!(after.get("B").is_none() && after.get("C").is_some());
    let max = || before.get("A").unwrap().limits().max_connections;
    assert_eq!(max(), None);
    after.apply(&options);
    assert_eq!(max(), Some(1));
}

#[test]
fn connections_elsewhere_count() {
    let accounts = accounts("accounts { A { limits {max_conn: 5} } }");
    let account = accounts.get("A").unwrap();
    let members: Vec<_> = (0..3).map(|_| account.join().unwrap()).collect();
    let report = |clients| RemoteConnections { clients, leaf_nodes: 0 };
    account.report_remote("one", report(4));
    assert_eq!((account.remote_connections(), account.excess_connections()), (4, 2));
    assert!(account.join().is_err());
    // Each report is the whole of its server.
    account.report_remote("one", report(2));
    assert_eq!(account.excess_connections(), 0);
    assert!(account.join().is_err());
    account.report_remote("two", report(9));
    assert_eq!(account.excess_connections(), 3);
    account.forget_remote("two");
    account.forget_remote("one");
    assert_eq!((account.remote_connections(), account.excess_connections()), (0, 0));
    assert!(account.join().is_ok());
    drop(members);
}

#[test]
fn accounts_fill_up_exactly() {
    let accounts = accounts("accounts { A { limits {max_conn: 2} } }");
    let account = accounts.get("A").unwrap();
    let first = account.join().unwrap();
    let _second = account.join().unwrap();
    assert_eq!(account.join().err(), Some(TooManyConnections));
    assert_eq!((account.connections(), account.total_connections()), (2, 2));
    drop(first);
    assert_eq!(account.connections(), 1);
    let _third = account.join().unwrap();
    assert!(account.join().is_err());
    assert!(Account::new("B").join().is_ok());
}

#[test]
fn who_is_to_have_jetstream() {
    let names = |config: &str| -> Vec<(String, i64)> {
        let accounts = accounts(config);
        let all = accounts.with_jetstream();
        all.map(|(account, limits)| (account.name().to_owned(), limits.max_memory)).collect()
    };
    assert_eq!(names(""), [("$G".to_owned(), -1)]);
    assert_eq!(
        names("accounts { A { jetstream: {max_memory: 5} }, B {}, C { jetstream: enabled } }"),
        [("A".to_owned(), 5), ("C".to_owned(), -1)]
    );
    assert_eq!(names("accounts { B {} }"), []);
}
