//! Operator mode: trusted keys, and where the tokens of accounts come from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jwt::{AccountClaims, OperatorClaims, TrustedKeys, UserClaims, is_key, undecorated};
use nkeys::KeyPairType;

use super::Options;
use super::error::{ConfigIssue, OptionError};
use super::reader::{Findings, flag, integer, issue, text};
use crate::conf::{Environment, Map, Node, Value, read_failure};
use crate::duration::parse_nanos;
use crate::quote::quoted;

/// What every token starts with (`jwtPrefix`): a value in place of a file.
const INLINE: &str = "eyJ";

/// Whom the server trusts to make accounts, and where it finds their tokens.
///
/// Wire source: `operator`, `trusted`, `resolver` and `resolver_preload` in `server/opts.go`.
#[derive(Clone, Default, PartialEq)]
pub struct OperatorOptions {
    /// The operators.
    pub operators: Vec<OperatorClaims>,
    /// Keys that are trusted without an operator's token.
    pub trusted_keys: Vec<String>,
    /// Where tokens of accounts come from.
    pub resolver: Option<ResolverOptions>,
    /// Tokens that are put there at the start, by the account's key.
    pub preload: BTreeMap<String, String>,
    /// The only accounts that users may belong to, unless none is named.
    pub pinned_accounts: Option<BTreeSet<String>>,
    /// The token of clients that present none.
    pub default_sentinel: Option<String>,
}

/// Where tokens of accounts come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolverOptions {
    /// They are all given at the start.
    Memory,
    /// A directory with a file per account.
    Directory(DirectoryResolver),
}

/// A directory with the tokens of accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryResolver {
    /// Whether it has all accounts or those used lately.
    pub coverage: Coverage,
    /// The directory.
    pub dir: PathBuf,
    /// What deleting an account does.
    pub deletion: Deletion,
    /// Most tokens; `None` is no limit.
    pub limit: Option<u64>,
    /// Time between comparisons with other servers.
    pub interval: Option<Duration>,
    /// Time after which an unused token is forgotten.
    pub ttl: Option<Duration>,
    /// Longest time a look-up at other servers takes.
    pub timeout: Option<Duration>,
}

/// What a directory has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// All accounts (`full`).
    Full,
    /// Those used lately (`cache`).
    Cache,
}

/// What deleting an account does to its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It is refused.
    Refused,
    /// The file is renamed (`allow_delete`).
    Renames,
    /// The file is removed (`hard_delete`).
    Removes,
}

impl OperatorOptions {
    /// Whether accounts and users are those of tokens.
    pub fn is_on(&self) -> bool {
        !self.operators.is_empty() || !self.trusted_keys.is_empty()
    }

    /// The keys whose accounts are trusted.
    pub fn keys(&self) -> TrustedKeys {
        match self.operators.is_empty() {
            true => TrustedKeys::new(self.trusted_keys.iter().cloned()),
            false => TrustedKeys::of_operators(&self.operators),
        }
    }
}

impl std::fmt::Debug for OperatorOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.operators.iter().map(|operator| &operator.common.name).collect();
        f.debug_struct("OperatorOptions")
            .field("operators", &names)
            .field("trusted_keys", &self.trusted_keys)
            .field("resolver", &self.resolver)
            .field("preload", &self.preload.keys())
            .field("pinned_accounts", &self.pinned_accounts)
            .finish_non_exhaustive()
    }
}

/// Reads `operator`: tokens, or files with one.
pub(super) fn read_operators(
    node: &Node,
    options: &mut Options,
    environment: &dyn Environment,
    findings: &mut Findings,
) -> Result<(), ConfigIssue> {
    let sources = match &node.value {
        Value::Str(source) => vec![source.to_string()],
        Value::Array(items) => {
            let mut sources = Vec::with_capacity(items.len());
            for item in items.iter() {
                match &item.value {
                    Value::Str(source) => sources.push(source.to_string()),
                    other => {
                        let found = other.type_name();
                        return issue(
                            node,
                            format!(
                                "error parsing operators: unsupported type {found} where string \
                                 is expected"
                            ),
                        );
                    }
                }
            }
            sources
        }
        other => {
            let found = other.type_name();
            return issue(node, format!("error parsing operators: unsupported type {found}"));
        }
    };
    for source in sources {
        match read_operator(&source, environment) {
            Ok(claims) => options.operator.operators.push(claims),
            Err(wrong) => findings.error(node, format!("error parsing operator JWT: {wrong}")),
        }
    }
    if let [only] = &*options.operator.operators
        && options.system_account.is_none()
        && !only.system_account.is_empty()
    {
        options.system_account = Some(only.system_account.clone());
    }
    Ok(())
}

fn read_operator(source: &str, environment: &dyn Environment) -> Result<OperatorClaims, String> {
    let decode = |contents: &str| {
        OperatorClaims::decode(undecorated(contents)).map_err(|error| error.to_string())
    };
    match environment.read_file(Path::new(source)) {
        Ok(bytes) => decode(&String::from_utf8_lossy(&bytes)),
        Err(_) if source.starts_with(INLINE) => decode(source),
        Err(error) => Err(read_failure(source, &error)),
    }
}

/// Reads `trusted_keys`.
pub(super) fn read_trusted(
    node: &Node,
    operator: &mut OperatorOptions,
    findings: &mut Findings,
) -> Result<(), ConfigIssue> {
    operator.trusted_keys = keys(node, "trusted", findings)?;
    for key in operator.trusted_keys.iter().filter(|key| !is_key(key, KeyPairType::Operator)) {
        let key = quoted(key);
        findings
            .error(node, format!("trust key {key} required to be a valid public operator nkey"));
    }
    Ok(())
}

/// Reads `resolver_pinned_accounts`.
pub(super) fn read_pinned(
    node: &Node,
    operator: &mut OperatorOptions,
    findings: &mut Findings,
) -> Result<(), ConfigIssue> {
    let pinned = keys(node, "resolver_pinned_accounts", findings)?;
    operator.pinned_accounts = Some(pinned.into_iter().collect());
    Ok(())
}

fn keys(node: &Node, what: &str, findings: &mut Findings) -> Result<Vec<String>, ConfigIssue> {
    match &node.value {
        Value::Str(key) => Ok(vec![key.to_string()]),
        Value::Array(items) => {
            let mut keys = Vec::with_capacity(items.len());
            for item in items.iter() {
                match &item.value {
                    Value::Str(key) => keys.push(key.to_string()),
                    other => {
                        let found = other.type_name();
                        findings.error(
                            item,
                            format!("error parsing {what}: unsupported type in array {found}"),
                        );
                    }
                }
            }
            Ok(keys)
        }
        other => {
            let found = other.type_name();
            issue(node, format!("error parsing {what}: unsupported type {found}"))
        }
    }
}

/// Reads `resolver_preload`.
pub(super) fn read_preload(
    node: &Node,
    operator: &mut OperatorOptions,
    findings: &mut Findings,
) -> Result<(), ConfigIssue> {
    let Value::Map(entries) = &node.value else {
        return issue(node, "preload should be a map of account_public_key:account_jwt");
    };
    for (name, entry) in entries.iter() {
        match &entry.value {
            Value::Str(token) if AccountClaims::decode(token).is_ok() => {
                operator.preload.insert(name.to_owned(), token.to_string());
            }
            Value::Str(_) => findings.error(entry, "invalid account JWT"),
            _ => findings.error(entry, "preload map value should be a string JWT"),
        }
    }
    Ok(())
}

/// Reads `resolver`.
pub(super) fn read_resolver(
    node: &Node,
    operator: &mut OperatorOptions,
    findings: &mut Findings,
) -> Result<(), ConfigIssue> {
    operator.resolver = match &node.value {
        Value::Str(word) => match word.to_uppercase() {
            word if word.contains("MEM") => Some(ResolverOptions::Memory),
            word if word.contains("URL") => return issue(node, URL_REFUSED),
            _ => None,
        },
        Value::Map(block) => read_directory(node, block, findings)?,
        other => {
            let found = other.type_name();
            return issue(node, format!("error parsing operator resolver, wrong type {found}"));
        }
    };
    if operator.resolver.is_none() {
        return issue(
            node,
            "error parsing account resolver, should be MEM or  URL(\"url\") or a map containing \
             dir and type state=[FULL|CACHE])",
        );
    }
    Ok(())
}

/// The text where tokens of accounts are to be fetched by HTTP.
const URL_REFUSED: &str = "account resolvers of type URL are not supported yet by this server";

fn read_directory(
    node: &Node,
    block: &Map,
    findings: &mut Findings,
) -> Result<Option<ResolverOptions>, ConfigIssue> {
    let string = |name: &str| block.get(name).map(text).transpose();
    let boolean = |name: &str| block.get(name).map(flag).transpose();
    let time = |name: &str| block.get(name).map(|value| resolver_time(node, value)).transpose();
    let dir = string("dir")?.unwrap_or_default();
    let kind = string("type")?.unwrap_or_default().to_uppercase();
    let delete = boolean("allow_delete")?.unwrap_or(false);
    let hard_delete = boolean("hard_delete")?;
    let limit = block.get("limit").map(integer).transpose()?;
    let (ttl, interval) = (time("ttl")?.flatten(), time("interval")?.flatten());
    let timeout = time("timeout")?.flatten();
    let coverage = match &*kind {
        "FULL" => Coverage::Full,
        "CACHE" => Coverage::Cache,
        "MEM" | "MEMORY" => return Ok(Some(ResolverOptions::Memory)),
        _ => return Ok(None),
    };
    if dir.is_empty() {
        findings.error(node, "dir has no value and needs to point to a directory");
    }
    match coverage {
        Coverage::Cache => {
            for (given, name) in [
                (interval.is_some(), "sync"),
                (delete, "allow_delete"),
                (hard_delete.is_some(), "hard_delete"),
            ] {
                if given {
                    findings.error(node, format!("CACHE does not accept {name}"));
                }
            }
        }
        Coverage::Full => {
            if ttl.is_some() {
                findings.error(node, "FULL does not accept ttl");
            }
            if hard_delete.is_some() && !delete {
                findings.error(node, "hard_delete has no effect without delete");
            }
        }
    }
    let deletion = match (delete, hard_delete) {
        (false, _) => Deletion::Refused,
        (true, Some(true)) => Deletion::Removes,
        (true, _) => Deletion::Renames,
    };
    Ok(Some(ResolverOptions::Directory(DirectoryResolver {
        coverage,
        dir: PathBuf::from(dir),
        deletion,
        limit: limit.and_then(|limit| u64::try_from(limit).ok()).filter(|limit| *limit > 0),
        interval,
        ttl,
        timeout,
    })))
}

/// A time; 0 is none.
fn resolver_time(at: &Node, value: &Node) -> Result<Option<Duration>, ConfigIssue> {
    match parse_nanos(&text(value)?) {
        Ok(nanos) => Ok(u64::try_from(nanos).ok().filter(|n| *n > 0).map(Duration::from_nanos)),
        Err(error) => issue(at, error.to_string()),
    }
}

/// Checks operator mode against the other options (`validateTrustedOperators` in
/// `server/jwt.go`).
pub(super) fn check_operators(options: &mut Options) -> Result<(), OptionError> {
    let operator = &options.operator;
    if operator.operators.is_empty() {
        return match &operator.default_sentinel {
            Some(_) => Err(OptionError::SentinelWithoutOperators),
            None => Ok(()),
        };
    }
    if let Some(sentinel) = &operator.default_sentinel {
        let user = UserClaims::decode(sentinel).map_err(|_| OptionError::SentinelInvalid)?;
        let scoped = !user.issuer_account.is_empty() && user.limits.is_empty();
        if !user.limits.bearer_token && !scoped {
            return Err(OptionError::SentinelNoBearer);
        }
    }
    let Some(resolver) = &operator.resolver else {
        let url = operator.operators.iter().any(|op| !op.account_server_url.is_empty());
        return Err(if url { OptionError::UrlResolver } else { OptionError::NoResolver });
    };
    if let ResolverOptions::Directory(directory) = resolver
        && directory.coverage == Coverage::Cache
    {
        return Err(OptionError::CacheResolver);
    }
    if !options.accounts.is_empty() {
        return Err(OptionError::OperatorAndAccounts);
    }
    if !options.auth.users.is_empty() {
        return Err(OptionError::OperatorAndUsers);
    }
    if !operator.trusted_keys.is_empty() {
        return Err(OptionError::OperatorAndTrustedKeys);
    }
    check_system_account(options, resolver)?;
    for claims in &operator.operators {
        check_version(claims)?;
    }
    let keys = operator.keys();
    if let Some(key) = keys.iter().find(|key| !is_key(key, KeyPairType::Operator)) {
        return Err(OptionError::TrustedKey(key.to_owned()));
    }
    let system = options.system_account.clone();
    if let Some(pinned) = &mut options.operator.pinned_accounts
        && !pinned.is_empty()
    {
        if let Some(key) = pinned.iter().find(|key| !is_key(key, KeyPairType::Account)) {
            return Err(OptionError::PinnedAccount(key.clone()));
        }
        pinned.extend(system);
    }
    Ok(())
}

fn check_system_account(options: &Options, resolver: &ResolverOptions) -> Result<(), OptionError> {
    let named = || options.operator.operators.iter().map(|op| &op.system_account);
    let named = || named().filter(|name| !name.is_empty());
    match &options.system_account {
        Some(system) if named().next().is_some() && !named().any(|name| name == system) => {
            Err(OptionError::OperatorSystemAccount)
        }
        None if *resolver != ResolverOptions::Memory && named().next().is_none() => {
            Err(OptionError::ResolverSystemAccount)
        }
        _ => Ok(()),
    }
}

fn check_version(claims: &OperatorClaims) -> Result<(), OptionError> {
    let wrong = |text: String| {
        OptionError::OperatorVersion(format!("operator {} {text}", claims.common.subject))
    };
    let wanted = claims.asserted_version().map_err(|error| {
        let version = &claims.assert_server_version;
        wrong(format!("expects version {version} got error instead: {error}"))
    })?;
    let mut own = types::COMPATIBLE_VERSION.split('.').map(|part| part.parse().unwrap_or(0));
    for (wanted, name) in wanted.into_iter().zip(["major", "minor", "update"]) {
        let own: i64 = own.next().unwrap_or(0);
        if wanted > own {
            return Err(wrong(format!(
                "expected {name} version {wanted} > server {name} version {own}"
            )));
        }
        if own > wanted {
            break;
        }
    }
    Ok(())
}
