//! A page of the web: read whole, over the same sockets and with the same trust as brokers are.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, HOST, LOCATION, USER_AGENT};
use hyper::{Request, Response, StatusCode, Uri, body};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::dial::{Stopwatch, open};
use super::stream::Stream;
use super::tls::Tls;
use crate::error::DialError;
use crate::uri::{BrokerUri, Scheme};

/// From one address to the next, so many times.
const MAX_REDIRECTS: usize = 3;

/// An address of the web.
pub(super) struct Page {
    uri: Uri,
    tls: Arc<Tls>,
}

/// Why a page could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    #[error("{0}")]
    Dial(#[from] DialError),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("the server answers {0}")]
    Status(StatusCode),
    #[error("the server sends us somewhere that is not to be followed")]
    Redirected,
    #[error("the page cannot be read, or has more than {0} bytes")]
    Body(usize),
    #[error("the page is not text in UTF-8")]
    NotText,
}

impl Page {
    pub(super) fn parse(url: &str, tls: Arc<Tls>) -> Result<Self, String> {
        let uri: Uri =
            url.parse().map_err(|error| format!("the URL is not well formed: {error}"))?;
        server(&uri).ok_or_else(|| "the URL is not one of the web".to_owned())?;
        Ok(Self { uri, tls })
    }

    /// Reads it, or what its server says is in its place.
    pub(super) async fn read(&self, limit: usize) -> Result<String, PageError> {
        let mut uri = self.uri.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = match self.get(&uri, limit).await? {
                Got::Page(page) => {
                    return String::from_utf8(page.into()).map_err(|_| PageError::NotText);
                }
                Got::Elsewhere(location) => location,
            };
            uri = elsewhere(&uri, &response).ok_or(PageError::Redirected)?;
        }
        Err(PageError::Redirected)
    }

    async fn get(&self, uri: &Uri, limit: usize) -> Result<Got, PageError> {
        let server = server(uri).ok_or(PageError::Redirected)?;
        let (options, tls) = (server.transport(), Arc::clone(&self.tls));
        let stream = open(&server, &options, tls, &mut Stopwatch::default()).await?;
        let (mut sender, connection) = http1::handshake(Io(stream)).await?;
        let exchange = async {
            let host = uri.authority().map_or("", |authority| {
                // Who asks is not part of the host.
                authority.as_str().rsplit('@').next().unwrap_or_default()
            });
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            let request = Request::get(path)
                .header(HOST, host)
                .header(ACCEPT, "text/plain, */*")
                .header(USER_AGENT, concat!("rewire/", env!("CARGO_PKG_VERSION")))
                .body(Empty::<Bytes>::new());
            let request = request.map_err(|_| PageError::Redirected)?;
            Got::read(sender.send_request(request).await?, limit).await
        };
        // The exchange moves only while its connection is driven.
        let (mut exchange, mut connection) = (pin!(exchange), pin!(connection));
        tokio::select! {
            biased;
            got = &mut exchange => got,
            _ = &mut connection => exchange.await,
        }
    }
}

/// Without the user, the password and the query.
impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host) = (self.uri.scheme_str(), self.uri.host());
        write!(f, "{}://{}", scheme.unwrap_or_default(), host.unwrap_or_default())?;
        if let Some(port) = self.uri.port_u16() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.uri.path())
    }
}

/// What a server gives.
enum Got {
    Page(Bytes),
    Elsewhere(String),
}

impl Got {
    async fn read(response: Response<body::Incoming>, limit: usize) -> Result<Self, PageError> {
        let status = response.status();
        if status.is_redirection() {
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            return location.map(|to| Self::Elsewhere(to.to_owned())).ok_or(PageError::Redirected);
        }
        if status != StatusCode::OK {
            return Err(PageError::Status(status));
        }
        let body = Limited::new(response.into_body(), limit).collect().await;
        Ok(Self::Page(body.map_err(|_| PageError::Body(limit))?.to_bytes()))
    }
}

/// Where a server says a page is: an address, or a path on the same server.
fn elsewhere(from: &Uri, location: &str) -> Option<Uri> {
    let mut parts = location.parse::<Uri>().ok()?.into_parts();
    if parts.authority.is_none() {
        parts.authority = from.authority().cloned();
        parts.scheme = from.scheme().cloned();
    }
    let to = Uri::from_parts(parts).ok()?;
    // What was asked for in secret is not fetched in the open.
    let is_weaker = from.scheme_str() == Some("https") && to.scheme_str() != Some("https");
    (!is_weaker).then_some(to)
}

/// The server of an address, as something to dial.
fn server(uri: &Uri) -> Option<BrokerUri> {
    let (scheme, port) = match uri.scheme_str()? {
        "http" => (Scheme::Tcp, 80),
        "https" => (Scheme::Ssl, 443),
        _ => return None,
    };
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    BrokerUri::new(scheme, host, uri.port_u16().unwrap_or(port)).ok()
}

/// A stream as hyper wants it.
struct Io(Stream);

impl hyper::rt::Read for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut bytes = [0; 4096];
        let room = buffer.remaining().min(bytes.len());
        let mut read = ReadBuf::new(&mut bytes[..room]);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut read))?;
        buffer.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
