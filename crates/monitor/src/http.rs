//! The HTTP endpoint: paths, headers, JSONP.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::connz::ConnzOptions;
use crate::healthz::HealthzOptions;
use crate::jsz::JszOptions;
use crate::query::{BadRequest, Query};
use crate::subsz::SubszOptions;
use crate::{AccountStatzOptions, AccountzOptions, Monitor, root};

/// Time a client has to send the head of its request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections served at once; more wait.
const MAX_CONNECTIONS: usize = 256;

/// Serves the monitoring endpoint until it is dropped (`server/server.go` `startMonitoring`).
pub async fn serve(listener: TcpListener, monitor: Arc<Monitor>) {
    // Dropped with this future, which ends the connections.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= MAX_CONNECTIONS {
            connections.join_next().await;
            continue;
        }
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::error!("monitoring: accept error: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let monitor = Arc::clone(&monitor);
        connections.spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&monitor), request));
            let served = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!("monitoring: {error}");
            }
        });
    }
}

async fn answer(
    monitor: Arc<Monitor>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let uri = request.into_parts().0.uri;
    // Shards are asked for what they own, which takes a moment.
    let page = tokio::task::spawn_blocking(move || {
        page(&monitor, uri.path(), uri.query().unwrap_or_default())
    });
    Ok(page.await.unwrap_or_else(|_| Page::text(500, "internal error".to_owned())).into_response())
}

/// What a request is answered with.
struct Page {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
}

impl Page {
    fn text(status: u16, text: String) -> Self {
        Page { status, content_type: "text/plain; charset=utf-8", body: text.into_bytes() }
    }

    /// JSON, or a script that calls the function that the request names.
    fn json(status: u16, query: &Query<'_>, json: &[u8]) -> Self {
        let callback = query.text("callback");
        if callback.is_empty() {
            return Page { status, content_type: "application/json", body: json.to_vec() };
        }
        let mut body = callback.into_bytes();
        body.push(b'(');
        body.extend_from_slice(json);
        body.push(b')');
        Page { status, content_type: "application/javascript", body }
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if self.content_type == "application/json" {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        response
    }
}

/// Answers one request; may wait for shards.
fn page(monitor: &Monitor, path: &str, query: &str) -> Page {
    let Some(path) = below(monitor.base_path(), path) else { return not_found() };
    let query = Query::new(query);
    let page = match path {
        "/" => {
            monitor.count_request("/");
            return Page {
                status: 200,
                content_type: "text/html; charset=utf-8",
                body: root::page().into_bytes(),
            };
        }
        "/varz" => {
            monitor.count_request(path);
            pretty(&query, Ok(monitor.varz()))
        }
        "/connz" => ConnzOptions::from_query(&query).and_then(|options| {
            monitor.count_request(path);
            pretty(&query, monitor.connz(&options))
        }),
        "/subsz" | "/subscriptionsz" => {
            monitor.count_request("/subsz");
            SubszOptions::from_query(&query)
                .and_then(|options| pretty(&query, monitor.subsz(&options)))
        }
        "/jsz" => {
            monitor.count_request(path);
            JszOptions::from_query(&query)
                .and_then(|options| pretty(&query, Ok(monitor.jsz(options))))
        }
        "/healthz" => {
            monitor.count_request(path);
            HealthzOptions::from_query(&query).map(|options| healthz(monitor, &query, &options))
        }
        "/accountz" => {
            monitor.count_request(path);
            let options = AccountzOptions { account: query.text("acc") };
            pretty(&query, monitor.accountz(&options))
        }
        "/accstatz" => {
            monitor.count_request(path);
            query.flag("unused").and_then(|include_unused| {
                let options = AccountStatzOptions { accounts: Vec::new(), include_unused };
                pretty(&query, Ok(monitor.account_statz(&options)))
            })
        }
        "/routez" => {
            monitor.count_request(path);
            pretty(&query, Ok(monitor.routez()))
        }
        "/gatewayz" => {
            monitor.count_request(path);
            pretty(&query, Ok(monitor.gatewayz()))
        }
        "/leafz" => {
            monitor.count_request(path);
            pretty(&query, Ok(monitor.leafz()))
        }
        _ => return not_found(),
    };
    page.unwrap_or_else(|BadRequest(text)| Page::text(400, text))
}

fn not_found() -> Page {
    Page::text(404, "404 page not found\n".to_owned())
}

/// The part of a path below the base path.
fn below<'a>(base: &str, path: &'a str) -> Option<&'a str> {
    let rest = path.strip_prefix(base.trim_end_matches('/'))?;
    match rest {
        "" => Some("/"),
        rest if rest.starts_with('/') => Some(rest),
        _ => None,
    }
}

fn pretty<T: Serialize>(
    query: &Query<'_>,
    answer: Result<T, BadRequest>,
) -> Result<Page, BadRequest> {
    let json = serde_json::to_vec_pretty(&answer?);
    Ok(match json {
        Ok(json) => Page::json(200, query, &json),
        Err(error) => Page::text(500, error.to_string()),
    })
}

fn healthz(monitor: &Monitor, query: &Query<'_>, options: &HealthzOptions) -> Page {
    if options.js_enabled {
        tracing::warn!("Healthcheck: js-enabled deprecated, use js-enabled-only instead");
    }
    let mut health = monitor.healthz(options);
    if !health.error.is_empty() {
        tracing::warn!("Healthcheck failed: {:?}", health.error);
    } else if !health.errors.is_empty() {
        tracing::warn!("Healthcheck failed: {} errors", health.errors.len());
    }
    let status = std::mem::take(&mut health.status_code);
    match serde_json::to_vec(&health) {
        Ok(json) => Page::json(status, query, &json),
        Err(error) => Page::text(500, error.to_string()),
    }
}
