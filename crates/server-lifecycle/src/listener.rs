//! Listening and accepting.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use connection::{Phase, ServerCtx, spawn_client};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use crate::error::ListenError;
use crate::os;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 4096;
/// Shortest and longest pause after a failed accept (`ACCEPT_MIN_SLEEP`, `ACCEPT_MAX_SLEEP`).
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Host and port as text, an IPv6 host in brackets.
pub(crate) fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Host and port of `host`, `host:port` or `[host]:port`; without a port, or with 0 or -1, it is
/// `default` (`server/util.go` `parseHostPort`). `None` if there is no host or no such port.
pub(crate) fn split(text: &str, default: u16) -> Option<(String, u16)> {
    let text = text.trim();
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port.map(str::trim) {
        None | Some("" | "0" | "-1") => default,
        Some(port) => port.parse().ok()?,
    };
    let host = host.trim();
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

/// Listens on a host name or address. On `0.0.0.0` IPv6 clients are welcome too, as with the
/// reference, where the machine has IPv6.
pub(crate) async fn listen(host: &str, port: u16) -> Result<TcpListener, ListenError> {
    let any_v4 = host.parse() == Ok(IpAddr::from([0, 0, 0, 0]));
    if any_v4 {
        let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        match bind(both, Family::Both) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                return Err(bind_error(host, port, &error));
            }
            // Without IPv6.
            Err(_) => {}
        }
    }
    let addresses: Vec<SocketAddr> = match tokio::net::lookup_host((host, port)).await {
        Ok(addresses) => addresses.collect(),
        Err(_) => Vec::new(),
    };
    let Some(address) = addresses.iter().find(|a| a.is_ipv4()).or(addresses.first()) else {
        return Err(ListenError::Lookup(host.to_owned()));
    };
    bind(*address, Family::One).map_err(|error| bind_error(host, port, &error))
}

fn bind_error(host: &str, port: u16, error: &io::Error) -> ListenError {
    ListenError::Bind { address: join(host, port), cause: os::error_text(error) }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    One,
    Both,
}

fn bind(address: SocketAddr, family: Family) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(family == Family::One)?;
    }
    // A server that starts again must not wait for old connections to fade.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts clients until it is dropped (`server/server.go` `acceptConnections`).
pub(crate) async fn accept_clients(listener: TcpListener, ctx: Arc<ServerCtx>) {
    let mut pause = PAUSES.0;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                pause = PAUSES.0;
                welcome(stream, &ctx);
            }
            Err(error) => {
                let text = os::error_text(&error);
                tracing::error!(
                    "Temporary Client Accept Error ({text}), sleeping {}ms",
                    pause.as_millis()
                );
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSES.1);
            }
        }
    }
}

fn welcome(stream: TcpStream, ctx: &Arc<ServerCtx>) {
    if ctx.phase() == Phase::Running {
        spawn_client(stream, Arc::clone(ctx));
    }
}
