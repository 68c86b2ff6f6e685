//! The files that tell other programs about this process: its id and its ports.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Serialize;

/// What listens where (`server/server.go` `Ports`).
#[derive(Debug, Default, Serialize)]
struct Ports {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nats: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    monitoring: Vec<String>,
}

/// Writes the process id, digits only (`logPid`).
pub(crate) fn write_pid(path: &Path) -> io::Result<()> {
    fs::write(path, std::process::id().to_string())
}

/// The file `<program>_<pid>.ports`, gone again when this is dropped.
pub(crate) struct PortsFile {
    path: PathBuf,
}

impl PortsFile {
    /// Writes the file (`logPorts`); other programs wait for it, so it appears complete.
    pub(crate) fn write(
        dir: &Path,
        client: Option<SocketAddr>,
        monitor: Option<SocketAddr>,
    ) -> io::Result<Self> {
        let program = std::env::args_os().next().map(PathBuf::from);
        let program =
            program.as_deref().and_then(Path::file_name).unwrap_or("nats-server".as_ref());
        let mut name = program.to_os_string();
        name.push(format!("_{}.ports", std::process::id()));
        let ports = Ports { nats: urls("nats", client), monitoring: urls("http", monitor) };
        let text = serde_json::to_vec(&ports)?;
        let path = dir.join(&name);
        name.push(".new");
        let aside = dir.join(&name);
        fs::write(&aside, text)?;
        fs::rename(&aside, &path)?;
        Ok(PortsFile { path })
    }
}

impl Drop for PortsFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            let error = crate::os::error_text(&error);
            tracing::error!("Error cleaning up ports file {}: {error}", self.path.display());
        }
    }
}

fn urls(scheme: &str, address: Option<SocketAddr>) -> Vec<String> {
    let Some(address) = address else { return Vec::new() };
    let hosts = if address.ip().is_unspecified() { local_addresses() } else { vec![address.ip()] };
    hosts
        .into_iter()
        .map(|host| format!("{scheme}://{}", SocketAddr::new(host, address.port())))
        .collect()
}

/// Addresses under which this machine reaches itself: the loopback, and those its routes use.
fn local_addresses() -> Vec<IpAddr> {
    let mut found = vec![IpAddr::from([127, 0, 0, 1])];
    // No packet is sent: connecting a UDP socket only picks the local address.
    let probes: [(&str, &str); 2] = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];
    for (bind, target) in probes {
        let address = std::net::UdpSocket::bind(bind)
            .and_then(|socket| socket.connect(target).map(|()| socket))
            .and_then(|socket| socket.local_addr());
        if let Ok(address) = address
            && !address.ip().is_unspecified()
            && !found.contains(&address.ip())
        {
            found.push(address.ip());
        }
    }
    found
}
