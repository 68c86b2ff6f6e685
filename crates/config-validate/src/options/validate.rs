//! Checks that need several options at once.

use super::auth::is_account_key;
use super::error::OptionError;
use super::operator::check_operators;
use super::{DEFAULT_SYSTEM_ACCOUNT, GLOBAL_ACCOUNT, Options};
use crate::duration;
use crate::name::is_valid_name;

/// Checks options as a whole, before the server starts and before a reload.
///
/// Wire source: `validateOptions` in `server/server.go` and `validateJetStreamOptions` in
/// `server/jetstream.go`. On a clustered server the extension hint is put into lower case.
///
/// # Errors
/// The first problem found.
pub fn validate(options: &mut Options) -> Result<(), OptionError> {
    if options.lame_duck_grace_period >= options.lame_duck_duration {
        return Err(OptionError::LameDuck {
            grace: duration::format(options.lame_duck_grace_period),
            duration: duration::format(options.lame_duck_duration),
        });
    }
    if let Some(max_payload) = options.limits.max_payload
        && i64::from(max_payload) > options.limits.max_pending
    {
        let max_pending = options.limits.max_pending;
        return Err(OptionError::PayloadOverPending { max_payload, max_pending });
    }
    if options.server_name.as_ref().is_some_and(|name| name.contains(' ')) {
        return Err(OptionError::ServerNameSpaces);
    }
    check_operators(options)?;
    check_no_auth_user(options)?;
    validate_jetstream(options)?;
    check_system_account(options)
}

/// What concerns JetStream: domains first, also where it is off; then what a clustered server
/// needs. On such a server the extension hint is put into lower case.
///
/// Wire source: `validateJetStreamOptions` in `server/jetstream.go`.
///
/// # Errors
/// The first problem found.
pub fn validate_jetstream(options: &mut Options) -> Result<(), OptionError> {
    mark::hit!(F1449);
    check_default_domains(options)?;
    check_own_domain(options)?;
    check_jetstream_cluster(options)
}

fn check_no_auth_user(options: &Options) -> Result<(), OptionError> {
    let Some(name) = &options.auth.no_auth_user else { return Ok(()) };
    if options.auth.users.is_empty() {
        return Err(OptionError::NoAuthUserWithoutUsers(name.clone()));
    }
    if options.auth.users.iter().any(|user| user.username == *name) {
        Ok(())
    } else {
        Err(OptionError::NoAuthUserUnknown(name.clone()))
    }
}

fn check_default_domains(options: &Options) -> Result<(), OptionError> {
    for (name, domain) in &options.default_js_domain {
        if options.operator.is_on() {
            if !is_account_key(name) {
                return Err(OptionError::DefaultDomainNoKey(name.clone()));
            }
            continue;
        }
        if name == GLOBAL_ACCOUNT {
            continue;
        }
        let Some(account) = options.account(name) else {
            return Err(OptionError::DefaultDomainUnknownAccount(name.clone()));
        };
        if account.jetstream.is_some() && !domain.is_empty() {
            return Err(OptionError::DefaultDomainEnabledAccount(name.clone()));
        }
    }
    let system = options.system_account.as_deref().unwrap_or(DEFAULT_SYSTEM_ACCOUNT);
    for (name, domain) in &options.default_js_domain {
        if name == system {
            return Err(OptionError::DefaultDomainSystemAccount(name.clone()));
        }
        if !domain.is_empty() && !subject::is_valid_pattern(domain_subject(domain).as_bytes()) {
            let (account, domain) = (name.clone(), domain.clone());
            return Err(OptionError::DefaultDomainInvalid { account, domain });
        }
    }
    Ok(())
}

fn check_own_domain(options: &Options) -> Result<(), OptionError> {
    let Some(domain) = &options.jetstream.domain else { return Ok(()) };
    let derived = domain_subject(domain);
    if !subject::is_valid_pattern(derived.as_bytes()) {
        return Err(OptionError::DomainNotASubject(derived));
    }
    if is_valid_name(domain) { Ok(()) } else { Err(OptionError::DomainCharacters) }
}

fn check_jetstream_cluster(options: &mut Options) -> Result<(), OptionError> {
    if !options.jetstream.enabled || options.cluster.port.is_none() {
        return Ok(());
    }
    if options.server_name.is_none() {
        return Err(OptionError::ClusterServerName);
    }
    if options.cluster.name.is_none() {
        return Err(OptionError::ClusterName);
    }
    let hint = options.jetstream.extension_hint.to_lowercase();
    if !matches!(hint.as_str(), "will_extend" | "no_extend" | "") {
        return Err(OptionError::ExtensionHint(hint));
    }
    options.jetstream.extension_hint = hint;
    if options.jetstream.max_outstanding_catchup.is_some_and(|size| size < 0) {
        return Err(OptionError::NegativeCatchup);
    }
    Ok(())
}

fn check_system_account(options: &Options) -> Result<(), OptionError> {
    let Some(name) = &options.system_account else { return Ok(()) };
    if options.operator.is_on() {
        // Whether it is there is known when its token was looked for.
        return Ok(());
    }
    match options.account(name) {
        None => Err(OptionError::SystemAccountMissing),
        Some(account) if options.jetstream.enabled && account.jetstream.is_some() => {
            Err(OptionError::JetStreamOnSystemAccount)
        }
        Some(_) => Ok(()),
    }
}

/// The subject space of a JetStream domain (`jsDomainAPI`).
fn domain_subject(domain: &str) -> String {
    format!("$JS.{domain}.API.>")
}
