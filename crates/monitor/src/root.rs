//! The page at `/`: links to the others.

/// Paths of the endpoint with what they show.
const PAGES: [(&str, &str); 10] = [
    ("varz", "General"),
    ("jsz", "JetStream"),
    ("connz", "Connections"),
    ("accountz", "Accounts"),
    ("accstatz", "Account Stats"),
    ("subsz", "Subscriptions"),
    ("routez", "Routes"),
    ("leafz", "LeafNodes"),
    ("gatewayz", "Gateways"),
    ("healthz", "Health Probe"),
];

/// The page as HTML.
pub(crate) fn page() -> String {
    let links: String = PAGES
        .iter()
        .map(|(path, title)| format!("<li><a href=\"./{path}\">{title}</a> /{path}</li>\n"))
        .collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>jetcore</title></head>\n<body>\n\
         <h1>jetcore {version}</h1>\n<p>Compatible with nats-server v{compatible}.</p>\n\
         <ul>\n{links}</ul>\n</body>\n</html>\n",
        version = env!("CARGO_PKG_VERSION"),
        compatible = types::COMPATIBLE_VERSION,
    )
}
