//! Settings from the command line, which win over the config file.

use std::path::PathBuf;

use super::{Options, Port};

/// What the command line sets; `None` leaves the config file's value.
///
/// Wire source: `ConfigureOptions` in `server/opts.go`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `-a`, `--addr`, `--net`.
    pub host: Option<String>,
    /// `-p`, `--port`.
    pub port: Option<Port>,
    /// `-n`, `--name`, `--server_name`.
    pub server_name: Option<String>,
    /// `--client_advertise`.
    pub client_advertise: Option<String>,
    /// `-m`, `--http_port`; 0 turns monitoring off.
    pub http_port: Option<Option<Port>>,
    /// `-P`, `--pid`.
    pub pid_file: Option<PathBuf>,
    /// `--ports_file_dir`.
    pub ports_file_dir: Option<PathBuf>,
    /// `--profile`; 0 turns it off.
    pub prof_port: Option<Option<Port>>,
    /// `--user`.
    pub user: Option<String>,
    /// `--pass`.
    pub password: Option<String>,
    /// `--auth`.
    pub token: Option<String>,
    /// `-D`, `-DV`, `-DVV`.
    pub debug: Option<bool>,
    /// `-V`, `-VV`, `-DV`, `-DVV`.
    pub trace: Option<bool>,
    /// `-VV`, `-DVV`.
    pub trace_verbose: Option<bool>,
    /// `-T`, `--logtime`.
    pub logtime: Option<bool>,
    /// `--logtime_utc`.
    pub logtime_utc: Option<bool>,
    /// `-l`, `--log`.
    pub log_file: Option<PathBuf>,
    /// `--log_size_limit`, bytes.
    pub log_size_limit: Option<i64>,
    /// `-s`, `--syslog`.
    pub syslog: Option<bool>,
    /// `-r`, `--remote_syslog`.
    pub remote_syslog: Option<String>,
    /// `--max_traced_msg_len`.
    pub max_traced_msg_len: Option<i64>,
    /// `-js`, `--jetstream`.
    pub jetstream: Option<bool>,
    /// `-sd`, `--store_dir`.
    pub store_dir: Option<PathBuf>,
}

impl Options {
    /// Lays what the command line says over the options.
    pub fn merge_flags(&mut self, flags: Overrides) {
        let given = |text: String| (!text.is_empty()).then_some(text);
        let given_path = |path: PathBuf| (!path.as_os_str().is_empty()).then_some(path);
        set(&mut self.port, flags.port);
        set(&mut self.log.debug, flags.debug);
        set(&mut self.log.trace, flags.trace);
        set(&mut self.log.trace_verbose, flags.trace_verbose);
        set(&mut self.log.logtime, flags.logtime);
        set(&mut self.log.logtime_utc, flags.logtime_utc);
        set(&mut self.log.syslog, flags.syslog);
        set(&mut self.jetstream.enabled, flags.jetstream);
        if let Some(host) = flags.host {
            self.host = given(host).unwrap_or_else(|| Options::default().host);
        }
        set(&mut self.server_name, flags.server_name.map(given));
        set(&mut self.client_advertise, flags.client_advertise.map(given));
        set(&mut self.log.remote_syslog, flags.remote_syslog.map(given));
        set(&mut self.auth.user, flags.user.map(given));
        set(&mut self.auth.password, flags.password.map(given));
        set(&mut self.auth.token, flags.token.map(given));
        set(&mut self.pid_file, flags.pid_file.map(given_path));
        set(&mut self.ports_file_dir, flags.ports_file_dir.map(given_path));
        set(&mut self.log.file, flags.log_file.map(given_path));
        set(&mut self.store_dir, flags.store_dir.map(given_path));
        set(&mut self.monitor.http_port, flags.http_port);
        set(&mut self.prof_port, flags.prof_port);
        set(
            &mut self.log.size_limit,
            flags.log_size_limit.map(|n| u64::try_from(n).ok().filter(|n| *n > 0)),
        );
        set(
            &mut self.log.max_traced_msg_len,
            flags.max_traced_msg_len.map(|n| usize::try_from(n).ok().filter(|n| *n > 0)),
        );
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}
