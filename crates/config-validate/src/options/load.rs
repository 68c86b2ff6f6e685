//! Reads the top level of a config file.

use std::path::{Path, PathBuf};

use super::accounts::{parse_accounts, parse_global_mappings};
use super::auth::parse_authorization;
use super::deferred::{Unsupported, not_supported, unsupported};
use super::error::{ConfigErrors, ConfigIssue};
use super::jetstream::parse_jetstream;
use super::reader::{
    Findings, Key, count, duration, duration_text, each_key, flag, integer, issue, limit, listen,
    map, optional_text, port, positive, size31, text, texts,
};
use super::{ClusterOptions, Options, WriteTimeoutPolicy, operator};
use crate::conf::{self, Environment, Map, Node, ProcessEnvironment, Value};
use crate::duration::format_nanos;
use crate::quote::quoted;

/// Shortest lame duck duration, nanoseconds.
const MIN_LAME_DUCK: i64 = 30_000_000_000;

impl Options {
    /// Reads a config file; what it does not set keeps its default.
    ///
    /// # Errors
    /// The file cannot be read, is malformed, or holds something that is not allowed; every
    /// problem names its place. Warnings alone are no error: they are in [`Options::warnings`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Options, ConfigErrors> {
        Options::from_file_in(path, &ProcessEnvironment)
    }

    /// Reads a config file, with included files and variables from `environment`.
    ///
    /// # Errors
    /// As [`Options::from_file`].
    pub fn from_file_in(
        path: impl AsRef<Path>,
        environment: &dyn Environment,
    ) -> Result<Options, ConfigErrors> {
        let path = path.as_ref();
        let name = path.to_string_lossy();
        let config = conf::parse_file(&name, environment)?;
        let mut options = Options::from_config(&config, &name, environment)?;
        options.config_file = Some(path.to_path_buf());
        Ok(options)
    }

    /// Reads config text that is in no file.
    ///
    /// # Errors
    /// As [`Options::from_file`].
    pub fn from_text(text: &str) -> Result<Options, ConfigErrors> {
        let config = conf::parse_text(text, &ProcessEnvironment)?;
        Options::from_config(&config, "", &ProcessEnvironment)
    }

    fn from_config(
        config: &Map,
        file: &str,
        environment: &dyn Environment,
    ) -> Result<Options, ConfigErrors> {
        let mut options =
            Options { config_digest: Some(conf::digest(config)), ..Options::default() };
        let mut findings = Findings::default();
        if config.is_empty() {
            let text = format!("{file}: config has no values or is empty");
            findings.warnings.push(ConfigIssue::unplaced(text));
        }
        // Other keys depend on which account is the system account, so it is read first.
        if let Some(node) = config.get("system_account").or_else(|| config.get("system")) {
            match &node.value {
                Value::Str(name) => options.system_account = named(name),
                _ => findings.error(node, "system account name must be a string"),
            }
        }
        each_key(config, &mut findings, |key, raw, node, findings| {
            options.read_key(key, raw, node, findings, environment)
        });
        options.settle();
        let Findings { errors, warnings, deferred } = findings;
        if !errors.is_empty() {
            return Err(ConfigErrors::Content { warnings, errors });
        }
        options.warnings = warnings;
        options.deferred_keys = deferred;
        Ok(options)
    }

    /// What can only be decided when all keys are read.
    fn settle(&mut self) {
        for account in &self.accounts {
            if account.name == super::DEFAULT_SYSTEM_ACCOUNT && self.system_account.is_none() {
                self.system_account = Some(account.name.clone());
            }
        }
    }

    fn read_key(
        &mut self,
        key: &str,
        raw: &str,
        node: &Node,
        findings: &mut Findings,
        environment: &dyn Environment,
    ) -> Result<Key, ConfigIssue> {
        let handled = self.read_network_key(key, node, findings)? == Key::Known
            || self.read_limit_key(key, raw, node, findings)? == Key::Known
            || self.read_identity_key(key, node, findings)? == Key::Known
            || self.read_log_key(key, node)? == Key::Known
            || self.read_block(key, node, findings)? == Key::Known
            || self.read_operator_key(key, node, findings, environment)? == Key::Known;
        if handled {
            return Ok(Key::Known);
        }
        match unsupported(key) {
            Some(Unsupported::Harmless) => findings.defer(node, raw),
            Some(Unsupported::Protective)
                if matches!(node.value, Value::Bool(false) | Value::Int(0)) => {}
            Some(Unsupported::Protective) => return issue(node, not_supported(raw)),
            None => return Ok(Key::Unknown),
        }
        if key == "cluster" {
            self.cluster = read_cluster(node, findings)?;
        }
        Ok(Key::Known)
    }

    fn read_operator_key(
        &mut self,
        key: &str,
        node: &Node,
        findings: &mut Findings,
        environment: &dyn Environment,
    ) -> Result<Key, ConfigIssue> {
        match key {
            "operator" | "operators" | "roots" | "root" | "root_operators" | "root_operator" => {
                operator::read_operators(node, self, environment, findings)?;
            }
            "resolver" | "account_resolver" | "accounts_resolver" => {
                operator::read_resolver(node, &mut self.operator, findings)?;
            }
            "resolver_preload" => {
                operator::read_preload(node, &mut self.operator, findings)?;
            }
            "resolver_pinned_accounts" => {
                operator::read_pinned(node, &mut self.operator, findings)?;
            }
            "trusted" | "trusted_keys" => {
                operator::read_trusted(node, &mut self.operator, findings)?;
            }
            "default_sentinel" => self.operator.default_sentinel = optional_text(node)?,
            _ => return Ok(Key::Unknown),
        }
        Ok(Key::Known)
    }

    fn read_network_key(
        &mut self,
        key: &str,
        node: &Node,
        findings: &mut Findings,
    ) -> Result<Key, ConfigIssue> {
        let default = Options::default;
        match key {
            "listen" => {
                let at = listen(node)?;
                self.host = at.host.unwrap_or_else(|| default().host);
                self.port = at.port.unwrap_or(default().port);
            }
            "host" | "net" => self.host = optional_text(node)?.unwrap_or_else(|| default().host),
            "port" => self.port = port(node)?.unwrap_or(default().port),
            "client_advertise" => self.client_advertise = optional_text(node)?,
            "http" => {
                let at = listen(node)?;
                self.monitor.host = at.host;
                self.monitor.http_port = at.port;
            }
            "http_port" | "monitor_port" => self.monitor.http_port = port(node)?,
            "http_base_path" => self.monitor.base_path = base_path(&text(node)?),
            "ports_file_dir" => self.ports_file_dir = path(node)?,
            "prof_port" => self.prof_port = port(node)?,
            "no_header_support" => self.no_header_support = flag(node)?,
            "disable_sublist_cache" | "no_sublist_cache" => {
                self.disable_sublist_cache = flag(node)?
            }
            "no_fast_producer_stall" => self.no_fast_producer_stall = flag(node)?,
            "ping_interval" => {
                self.ping_interval = duration(node, "ping_interval", findings)?
                    .unwrap_or_else(|| default().ping_interval);
            }
            "ping_max" => {
                self.ping_max = match count(node, key)? {
                    0 => default().ping_max,
                    number => u32::try_from(number).unwrap_or(u32::MAX),
                };
            }
            "write_deadline" => {
                self.write_deadline = duration(node, "write_deadline", findings)?
                    .unwrap_or_else(|| default().write_deadline);
            }
            "write_timeout" => self.write_timeout = write_timeout(node)?,
            "lame_duck_duration" => self.lame_duck_duration = lame_duck_duration(node)?,
            "lame_duck_grace_period" => {
                let nanos = duration_text(node, "error parsing lame_duck_grace_period: ")?;
                self.lame_duck_grace_period =
                    positive(node, key, nanos)?.unwrap_or_else(|| default().lame_duck_grace_period);
            }
            _ => return Ok(Key::Unknown),
        }
        Ok(Key::Known)
    }

    fn read_limit_key(
        &mut self,
        key: &str,
        raw: &str,
        node: &Node,
        _findings: &mut Findings,
    ) -> Result<Key, ConfigIssue> {
        let limits = &mut self.limits;
        let default = super::ConnectionLimits::default;
        match key {
            "max_control_line" => {
                limits.max_control_line = match u32::try_from(size31(node, raw)?) {
                    Ok(0) => default().max_control_line,
                    Ok(size) => size,
                    Err(_) => return issue(node, format!("{raw} value can not be negative")),
                };
            }
            "max_payload" => {
                limits.max_payload = match size31(node, raw)? {
                    0 => default().max_payload,
                    size => u32::try_from(size).ok(),
                };
            }
            "max_pending" => {
                limits.max_pending = match integer(node)? {
                    0 => default().max_pending,
                    size => size,
                };
            }
            "max_connections" | "max_conn" => limits.max_connections = limit(node)?,
            "max_subscriptions" | "max_subs" => limits.max_subscriptions = limit(node)?,
            "max_sub_tokens" | "max_subscription_tokens" => {
                let number = integer(node)?;
                limits.max_sub_tokens = match u8::try_from(number) {
                    Ok(0) => return issue(node, format!("{raw} value can not be negative")),
                    Ok(number) => Some(number),
                    Err(_) if number > 0 => return issue(node, format!("{raw} value is too big")),
                    Err(_) => return issue(node, format!("{raw} value can not be negative")),
                };
            }
            "max_closed_clients" => {
                limits.max_closed_clients = match count(node, raw)? {
                    0 => default().max_closed_clients,
                    number => usize::try_from(number).unwrap_or(usize::MAX),
                };
            }
            _ => return Ok(Key::Unknown),
        }
        Ok(Key::Known)
    }

    fn read_identity_key(
        &mut self,
        key: &str,
        node: &Node,
        findings: &mut Findings,
    ) -> Result<Key, ConfigIssue> {
        match key {
            "server_name" => {
                let name = text(node)?;
                if name.contains(' ') {
                    return issue(node, "server name cannot contain spaces");
                }
                self.server_name = named(&name);
            }
            "server_tags" => {
                for tag in texts(node, "tags", findings)? {
                    let tag = tag.trim().to_lowercase();
                    if !tag.is_empty() && !self.server_tags.contains(&tag) {
                        self.server_tags.push(tag);
                    }
                }
            }
            "server_metadata" => {
                let Value::Map(entries) = &node.value else {
                    let found = node.value.type_name();
                    return issue(
                        node,
                        format!("error parsing metadata: unsupported type {found}"),
                    );
                };
                for (name, value) in entries.iter() {
                    self.server_metadata.insert(name.to_owned(), text(value)?);
                }
            }
            "feature_flags" => {
                let Value::Map(entries) = &node.value else {
                    let found = node.value.type_name();
                    return issue(
                        node,
                        format!("error parsing feature flags: unsupported type {found}"),
                    );
                };
                for (name, value) in entries.iter() {
                    let Value::Bool(on) = value.value else {
                        let found = value.value.type_name();
                        let name = quoted(name);
                        return issue(
                            value,
                            format!(
                                "error parsing feature flag {name}: expected bool, got {found}"
                            ),
                        );
                    };
                    self.feature_flags.insert(name.to_owned(), on);
                }
            }
            "no_auth_user" => self.auth.no_auth_user = optional_text(node)?,
            // Read before all others.
            "system_account" | "system" => {}
            "no_system_account" | "no_system" | "no_sys_acc" => {
                self.no_system_account = flag(node)?;
            }
            "pidfile" | "pid_file" => self.pid_file = path(node)?,
            _ => return Ok(Key::Unknown),
        }
        Ok(Key::Known)
    }

    fn read_log_key(&mut self, key: &str, node: &Node) -> Result<Key, ConfigIssue> {
        let log = &mut self.log;
        match key {
            "debug" => log.debug = flag(node)?,
            "trace" => log.trace = flag(node)?,
            "trace_verbose" => {
                log.trace_verbose = flag(node)?;
                log.trace = log.trace_verbose;
            }
            "trace_headers" => {
                log.trace_headers = flag(node)?;
                log.trace = log.trace_headers;
            }
            "max_traced_msg_len" => {
                log.max_traced_msg_len =
                    limit(node)?.map(|size| usize::try_from(size).unwrap_or(usize::MAX));
            }
            "logtime" => log.logtime = flag(node)?,
            "logtime_utc" => log.logtime_utc = flag(node)?,
            "logfile" | "log_file" => log.file = path(node)?,
            "logfile_size_limit" | "log_size_limit" => log.size_limit = limit(node)?,
            "logfile_max_num" | "log_max_num" => log.max_files = limit(node)?,
            "syslog" => log.syslog = flag(node)?,
            "remote_syslog" => log.remote_syslog = optional_text(node)?,
            _ => return Ok(Key::Unknown),
        }
        Ok(Key::Known)
    }

    fn read_block(
        &mut self,
        key: &str,
        node: &Node,
        findings: &mut Findings,
    ) -> Result<Key, ConfigIssue> {
        match key {
            "authorization" => parse_authorization(node, &mut self.auth, findings)?,
            "accounts" => parse_accounts(node, self, findings)?,
            "mappings" | "maps" => parse_global_mappings(node, self, findings)?,
            "jetstream" => {
                parse_jetstream(node, &mut self.jetstream, &mut self.store_dir, findings)?;
            }
            "store_dir" | "storedir" => set_store_dir(node, &mut self.store_dir)?,
            "default_js_domain" => {
                let Value::Map(entries) = &node.value else {
                    let found = node.value.type_name();
                    return issue(
                        node,
                        format!("error default_js_domain config: unsupported type {found}"),
                    );
                };
                for (account, domain) in entries.iter() {
                    self.default_js_domain.insert(account.to_owned(), text(domain)?);
                }
            }
            _ => return Ok(Key::Unknown),
        }
        Ok(Key::Known)
    }
}

/// Sets the store directory, which may be given at one place only.
pub(super) fn set_store_dir(
    node: &Node,
    store_dir: &mut Option<PathBuf>,
) -> Result<(), ConfigIssue> {
    if store_dir.is_some() {
        return issue(node, "Duplicate 'store_dir' configuration");
    }
    *store_dir = path(node)?;
    Ok(())
}

/// A path; an empty one means that nothing is set.
pub(super) fn path(node: &Node) -> Result<Option<PathBuf>, ConfigIssue> {
    Ok(optional_text(node)?.map(PathBuf::from))
}

fn named(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn write_timeout(node: &Node) -> Result<WriteTimeoutPolicy, ConfigIssue> {
    match text(node)?.as_str() {
        "default" => Ok(WriteTimeoutPolicy::Default),
        "close" => Ok(WriteTimeoutPolicy::Close),
        "retry" => Ok(WriteTimeoutPolicy::Retry),
        _ => issue(node, "write_timeout must be 'default', 'close' or 'retry'"),
    }
}

fn lame_duck_duration(node: &Node) -> Result<std::time::Duration, ConfigIssue> {
    let nanos = duration_text(node, "error parsing lame_duck_duration: ")?;
    match u64::try_from(nanos) {
        Ok(whole) if nanos >= MIN_LAME_DUCK => Ok(std::time::Duration::from_nanos(whole)),
        _ => issue(
            node,
            format!("invalid lame_duck_duration of {}, minimum is 30 seconds", format_nanos(nanos)),
        ),
    }
}

/// A path that starts with a slash and has neither a last one nor `.` and `..` in it
/// (`normalizeBasePath`).
fn base_path(text: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Reads what other checks need of `cluster {}`; the rest of it has no effect yet.
fn read_cluster(node: &Node, findings: &mut Findings) -> Result<ClusterOptions, ConfigIssue> {
    if !matches!(node.value, Value::Map(_)) {
        let found = node.value.type_name();
        return issue(node, format!("Expected map to define cluster, got {found}"));
    }
    let mut cluster = ClusterOptions::default();
    each_key(map(node)?, findings, |key, _, node, _| {
        match key {
            "name" => {
                let name = text(node)?;
                if name.contains(' ') {
                    return issue(node, "cluster name cannot contain spaces");
                }
                cluster.name = named(&name);
            }
            "listen" => cluster.port = listen(node)?.port,
            "port" => cluster.port = port(node)?,
            _ => {}
        }
        Ok(Key::Known)
    });
    Ok(cluster)
}
