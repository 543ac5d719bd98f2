//! A window into a broker that runs: health, numbers for Prometheus, and a page to look at. It answers
//! questions, takes no orders, and asks the broker at most four times a second.

mod metrics;
mod status;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::{Mode, Order, left, now};
use crate::core::BrokerReport;

/// Connections that may be open; more wait to be accepted.
const CONNECTIONS: usize = 64;
/// How long one may be.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a request.
const MAX_REQUEST: usize = 16 << 10;
/// How old what is told may be.
const FRESH: Duration = Duration::from_millis(250);
/// Clients, destinations and durable subscriptions that are told of, each.
const MOST: usize = 1_000;
/// What a sentence is.
const TEXT: &str = "text/plain; charset=utf-8";
/// The page.
const PAGE: &str = include_str!("http/page.html");

/// Somebody who wants to know what the broker is doing.
type Asker = oneshot::Sender<Option<Arc<BrokerReport>>>;

/// Answers until the broker stops. `since` is when that started, counted from 1970.
pub(super) async fn serve(
    listener: TcpListener,
    orders: mpsc::Sender<Order>,
    mut mode: watch::Receiver<Mode>,
    since: Duration,
) {
    let (asks, asked) = mpsc::channel(CONNECTIONS);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let accepting = mode.clone();
    let accept = async {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "no HTTP connection can be accepted");
                    super::sleep_until(Some(now() + FRESH)).await;
                    continue;
                }
            };
            let (asks, mut mode) = (asks.clone(), accepting.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = left(&mut mode, |mode| mode == Mode::Run) => {}
                    () = talk(stream, peer, asks, since) => {}
                }
                drop(place);
            });
        }
    };
    tokio::select! {
        () = left(&mut mode, |mode| mode == Mode::Run) => {}
        () = accept => {}
        () = tell(asked, orders) => {}
    }
}

/// Asks the broker for those who want to know, and again only when what it has said is old.
async fn tell(mut asked: mpsc::Receiver<Asker>, orders: mpsc::Sender<Order>) {
    let mut last: Option<(Instant, Arc<BrokerReport>)> = None;
    while let Some(asker) = asked.recv().await {
        if last.as_ref().is_none_or(|(at, _)| now().saturating_duration_since(*at) >= FRESH) {
            let (reply, answer) = oneshot::channel();
            let sent = orders.send(Order::Report(MOST, reply)).await;
            let answered = if sent.is_ok() { answer.await.ok() } else { None };
            last = answered.map(|report| (now(), Arc::new(report)));
        }
        // Whoever asked may have gone.
        let _ = asker.send(last.as_ref().map(|(_, report)| Arc::clone(report)));
    }
}

async fn talk(stream: TcpStream, peer: SocketAddr, asks: mpsc::Sender<Asker>, since: Duration) {
    let is_local = stream.local_addr().is_ok_and(|own| own.ip().is_loopback());
    let service = service_fn(move |request: Request<Incoming>| {
        let asks = asks.clone();
        async move {
            if is_local && !names_this_machine(&request) {
                let problem = "this is for this machine: ask for localhost\n".to_owned();
                return Ok(respond(StatusCode::MISDIRECTED_REQUEST, TEXT, problem));
            }
            let (method, path) = (request.method(), request.uri().path());
            Ok::<_, Infallible>(answer(method, path, asks, since).await)
        }
    });
    let mut server = http1::Builder::new();
    server.keep_alive(false).max_buf_size(MAX_REQUEST).max_headers(64);
    let served =
        tokio::time::timeout(PATIENCE, server.serve_connection(TokioIo::new(stream), service));
    match served.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%peer, %error, "HTTP"),
        Err(_) => tracing::debug!(%peer, "HTTP took too long"),
    }
}

/// Whether a request is for an address, or for `localhost`. A page of the web can lead a browser here by a
/// name of its own, and would read what is answered.
fn names_this_machine<B>(request: &Request<B>) -> bool {
    let Some(host) = request.headers().get(HOST) else { return true };
    let Ok(host) = host.to_str() else { return false };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let name =
        host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(name, _)| name);
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

async fn answer(
    method: &Method,
    path: &str,
    asks: mpsc::Sender<Asker>,
    since: Duration,
) -> Response<Full<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut refusal =
            respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n".to_owned());
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    if path == "/" {
        return respond(StatusCode::OK, "text/html; charset=utf-8", PAGE.to_owned());
    }
    if !["/health", "/metrics", "/status.json"].contains(&path) {
        return respond(StatusCode::NOT_FOUND, TEXT, "nothing is here\n".to_owned());
    }
    let (reply, told) = oneshot::channel();
    let report = match asks.send(reply).await {
        Ok(()) => told.await.ok().flatten(),
        Err(_) => None,
    };
    let Some(report) = report else {
        return respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, "the broker is gone\n".to_owned());
    };
    match path {
        "/metrics" => respond(StatusCode::OK, metrics::TYPE, metrics::text(&report, since)),
        "/status.json" => respond(StatusCode::OK, "application/json", status::text(&report, since)),
        _ if report.store_failed => {
            respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, "the store has failed\n".to_owned())
        }
        _ => respond(StatusCode::OK, TEXT, "ok\n".to_owned()),
    }
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                          connect-src 'self'";
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, kind)
        .header(CACHE_CONTROL, "no-store")
        .header(X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(CONTENT_SECURITY_POLICY, POLICY)
        .body(Full::new(Bytes::from(body)));
    // Its parts are all known to be fine.
    response.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_by_another_name_is_not_for_this_machine() {
        let by = |host: &str| {
            names_this_machine(&Request::builder().header(HOST, host).body(()).unwrap())
        };
        for host in
            ["127.0.0.1", "127.0.0.1:8161", "[::1]", "[::1]:8161", "localhost", "Localhost:80"]
        {
            assert!(by(host), "{host}");
        }
        for host in [
            "evil.example.com",
            "evil.example.com:8161",
            "localhost.example.com",
            "",
            "127.0.0.1.example",
        ] {
            assert!(!by(host), "{host}");
        }
        assert!(names_this_machine(&Request::new(())), "of HTTP 1.0");
    }
}
