//! Every flag: its names, what it is for, and what it sets.

use config_validate::options::{DEFAULT_PORT, Port};

use super::Draft;

/// Heading of the help text under which a flag stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Server,
    Logging,
    JetStream,
    Authorization,
    Tls,
    Cluster,
    Profiling,
    Common,
}

impl Group {
    /// The groups in the order of the help text.
    pub(super) const ALL: [Group; 8] = [
        Group::Server,
        Group::Logging,
        Group::JetStream,
        Group::Authorization,
        Group::Tls,
        Group::Cluster,
        Group::Profiling,
        Group::Common,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Group::Server => "Server",
            Group::Logging => "Logging",
            Group::JetStream => "JetStream",
            Group::Authorization => "Authorization",
            Group::Tls => "TLS",
            Group::Cluster => "Cluster",
            Group::Profiling => "Profiling",
            Group::Common => "Common",
        }
    }
}

/// What a flag's value is and where it goes.
#[derive(Clone, Copy)]
pub(super) enum Setter {
    Bool(fn(&mut Draft, bool)),
    Text(fn(&mut Draft, String)),
    Int(fn(&mut Draft, i64)),
    /// `None` for 0.
    Port(fn(&mut Draft, Option<Port>)),
    /// Known to nats-server, refused here; takes a value.
    Unsupported,
    /// The same, without a value.
    UnsupportedBool,
}

/// One flag.
pub(super) struct Flag {
    pub(super) group: Group,
    /// Name that help shows with one dash.
    pub(super) short: Option<&'static str>,
    /// Names that help shows with two.
    pub(super) long: &'static [&'static str],
    /// What stands for the value in help.
    pub(super) value: Option<&'static str>,
    pub(super) help: &'static str,
    pub(super) setter: Setter,
}

impl Flag {
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.short.into_iter().chain(self.long.iter().copied())
    }
}

macro_rules! flag {
    ($group:ident, $short:expr, $long:expr, $value:expr, $help:expr, $setter:expr) => {
        Flag {
            group: Group::$group,
            short: $short,
            long: &$long,
            value: $value,
            help: $help,
            setter: $setter,
        }
    };
}

/// All flags, in the order of the help text.
pub(super) static FLAGS: &[Flag] = &[
    flag!(
        Server,
        Some("a"),
        ["addr", "net"],
        Some("host"),
        "Address to listen on (default: 0.0.0.0)",
        Setter::Text(|d, v| d.run.overrides.host = Some(v))
    ),
    flag!(
        Server,
        Some("p"),
        ["port"],
        Some("port"),
        "Port for clients, -1 for any (default: 4222)",
        Setter::Port(|d, v| {
            d.run.overrides.port = Some(v.unwrap_or(Port::Fixed(DEFAULT_PORT)));
        })
    ),
    flag!(
        Server,
        Some("n"),
        ["name", "server_name"],
        Some("name"),
        "Name of this server (default: made up)",
        Setter::Text(|d, v| d.run.overrides.server_name = Some(v))
    ),
    flag!(
        Server,
        Some("P"),
        ["pid"],
        Some("file"),
        "File that receives the process id",
        Setter::Text(|d, v| d.run.overrides.pid_file = Some(v.into()))
    ),
    flag!(
        Server,
        Some("m"),
        ["http_port"],
        Some("port"),
        "Port for monitoring over HTTP",
        Setter::Port(|d, v| d.run.overrides.http_port = Some(v))
    ),
    flag!(
        Server,
        Some("ms"),
        ["https_port"],
        Some("port"),
        "Port for monitoring over HTTPS (not supported yet)",
        Setter::Unsupported
    ),
    flag!(
        Server,
        Some("c"),
        ["config"],
        Some("file"),
        "Configuration file",
        Setter::Text(|d, v| d.run.config = Some(v).filter(|v| !v.is_empty()).map(Into::into))
    ),
    flag!(
        Server,
        Some("t"),
        [],
        None,
        "Check the configuration file and exit",
        Setter::Bool(|d, v| d.run.check_only = v)
    ),
    flag!(
        Server,
        Some("sl"),
        ["signal"],
        Some("signal[=pid]"),
        "Signal a server (ldm, stop, quit, term, reopen, reload), named by its process id or the \
         file that holds it",
        Setter::Text(|d, v| d.signal = Some(v))
    ),
    flag!(
        Server,
        None,
        ["client_advertise"],
        Some("address"),
        "Address to tell clients instead of the own one",
        Setter::Text(|d, v| d.run.overrides.client_advertise = Some(v))
    ),
    flag!(
        Server,
        None,
        ["ports_file_dir"],
        Some("dir"),
        "Directory for the file of listening ports (<program>_<pid>.ports)",
        Setter::Text(|d, v| d.run.overrides.ports_file_dir = Some(v.into()))
    ),
    flag!(
        Logging,
        Some("l"),
        ["log"],
        Some("file"),
        "File to log to",
        Setter::Text(|d, v| d.run.overrides.log_file = Some(v.into()))
    ),
    flag!(
        Logging,
        Some("T"),
        ["logtime"],
        None,
        "Put the time in front of log lines (default: true)",
        Setter::Bool(|d, v| d.run.overrides.logtime = Some(v))
    ),
    flag!(
        Logging,
        None,
        ["logtime_utc"],
        None,
        "Use UTC for that time instead of local time",
        Setter::Bool(|d, v| d.run.overrides.logtime_utc = Some(v))
    ),
    flag!(
        Logging,
        Some("s"),
        ["syslog"],
        None,
        "Log to syslog",
        Setter::Bool(|d, v| d.run.overrides.syslog = Some(v))
    ),
    flag!(
        Logging,
        Some("r"),
        ["remote_syslog"],
        Some("address"),
        "Log to this syslog server (udp://localhost:514)",
        Setter::Text(|d, v| d.run.overrides.remote_syslog = Some(v))
    ),
    flag!(
        Logging,
        Some("D"),
        ["debug"],
        None,
        "Log debug lines",
        Setter::Bool(|d, v| d.run.overrides.debug = Some(v))
    ),
    flag!(
        Logging,
        Some("V"),
        ["trace"],
        None,
        "Log the protocol",
        Setter::Bool(|d, v| d.run.overrides.trace = Some(v))
    ),
    flag!(
        Logging,
        Some("VV"),
        [],
        None,
        "Log the protocol, that of the system account too",
        Setter::Bool(|d, v| d.verbose = Some(v))
    ),
    flag!(
        Logging,
        Some("DV"),
        [],
        None,
        "Log debug lines and the protocol",
        Setter::Bool(|d, v| d.debug_trace = Some(v))
    ),
    flag!(
        Logging,
        Some("DVV"),
        [],
        None,
        "Log debug lines and the protocol, that of the system account too",
        Setter::Bool(|d, v| d.debug_verbose = Some(v))
    ),
    flag!(
        Logging,
        None,
        ["log_size_limit"],
        Some("bytes"),
        "Size at which the log file is rotated (default: never)",
        Setter::Int(|d, v| d.run.overrides.log_size_limit = Some(v))
    ),
    flag!(
        Logging,
        None,
        ["max_traced_msg_len"],
        Some("bytes"),
        "Longest part of a message in a trace (default: all of it)",
        Setter::Int(|d, v| d.run.overrides.max_traced_msg_len = Some(v))
    ),
    flag!(
        JetStream,
        Some("js"),
        ["jetstream"],
        None,
        "Turn on JetStream",
        Setter::Bool(|d, v| d.run.overrides.jetstream = Some(v))
    ),
    flag!(
        JetStream,
        Some("sd"),
        ["store_dir"],
        Some("dir"),
        "Directory for streams",
        Setter::Text(|d, v| d.run.overrides.store_dir = Some(v.into()))
    ),
    flag!(
        Authorization,
        None,
        ["user"],
        Some("user"),
        "User that clients must be",
        Setter::Text(|d, v| d.run.overrides.user = Some(v))
    ),
    flag!(
        Authorization,
        None,
        ["pass"],
        Some("password"),
        "Password of that user",
        Setter::Text(|d, v| d.run.overrides.password = Some(v))
    ),
    flag!(
        Authorization,
        None,
        ["auth"],
        Some("token"),
        "Token that clients must present",
        Setter::Text(|d, v| d.run.overrides.token = Some(v))
    ),
    flag!(Tls, None, ["tls"], None, "Use TLS (not supported yet)", Setter::UnsupportedBool),
    flag!(
        Tls,
        None,
        ["tlscert"],
        Some("file"),
        "Certificate of the server (not supported yet)",
        Setter::Unsupported
    ),
    flag!(
        Tls,
        None,
        ["tlskey"],
        Some("file"),
        "Private key of the server (not supported yet)",
        Setter::Unsupported
    ),
    flag!(
        Tls,
        None,
        ["tlsverify"],
        None,
        "Use TLS and ask clients for certificates (not supported yet)",
        Setter::UnsupportedBool
    ),
    flag!(
        Tls,
        None,
        ["tlscacert"],
        Some("file"),
        "Authority for client certificates (not supported yet)",
        Setter::Unsupported
    ),
    flag!(
        Cluster,
        None,
        ["routes"],
        Some("url,url..."),
        "Servers to connect to (not supported yet)",
        Setter::Unsupported
    ),
    flag!(
        Cluster,
        None,
        ["cluster", "cluster_listen"],
        Some("url"),
        "Address for other servers (not supported yet)",
        Setter::Unsupported
    ),
    flag!(
        Cluster,
        None,
        ["cluster_name"],
        Some("name"),
        "Name of the cluster (not supported yet)",
        Setter::Unsupported
    ),
    flag!(
        Cluster,
        None,
        ["no_advertise"],
        None,
        "Do not tell clients about other servers (not supported yet)",
        Setter::UnsupportedBool
    ),
    flag!(
        Cluster,
        None,
        ["cluster_advertise"],
        Some("url"),
        "Address to tell other servers (not supported yet)",
        Setter::Unsupported
    ),
    flag!(
        Cluster,
        None,
        ["connect_retries"],
        Some("number"),
        "Attempts to connect to a server learnt of (not supported yet)",
        Setter::Unsupported
    ),
    flag!(
        Profiling,
        None,
        ["profile"],
        Some("port"),
        "Port for profiling over HTTP",
        Setter::Port(|d, v| d.run.overrides.prof_port = Some(v))
    ),
    flag!(Common, Some("h"), ["help"], None, "Show this text", Setter::Bool(|d, v| d.help = v)),
    flag!(
        Common,
        Some("v"),
        ["version"],
        None,
        "Show the version",
        Setter::Bool(|d, v| d.version = v)
    ),
    flag!(
        Common,
        None,
        ["help_tls"],
        None,
        "Show how TLS is configured",
        Setter::Bool(|d, v| d.help_tls = v)
    ),
];
