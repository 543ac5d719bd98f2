//! Pages of the web, from a server that says what it is told to.

use super::*;
use crate::transport::dial::Dialer;
use crate::transport::web::Page;
use crate::uri::MAX_URI_LENGTH;

struct Server {
    listener: TcpListener,
}

impl Server {
    async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    fn url(&self) -> String {
        format!("http://{}/brokers?of=ours", self.listener.local_addr().unwrap())
    }

    /// Answers the next request, and says what it was.
    async fn answer(&self, answer: &str) -> String {
        let (stream, _) = within(self.listener.accept()).await.unwrap();
        answer_over(stream, answer).await
    }
}

pub(super) async fn answer_over(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &str,
) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        assert!(within(stream.read_buf(&mut request)).await.unwrap() > 0);
    }
    // One that gives up has heard enough.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
    String::from_utf8(request).unwrap()
}

pub(super) fn page(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

async fn read(url: &str) -> Result<String, String> {
    let uri = "failover:()".parse().unwrap();
    let tls = Dialer::new(uri, &TransportConfig::default()).tls();
    let page = Page::parse(url, tls)?;
    within(page.read(MAX_URI_LENGTH)).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_page_is_asked_for_and_read_with_its_length_in_chunks_or_to_its_end() {
    let server = Server::start().await;
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                  7\r\ntcp://a\r\n2\r\n:1\r\n0\r\n\r\n";
    for answer in [&page("tcp://a:1"), chunks, "HTTP/1.0 200 OK\r\n\r\ntcp://a:1"] {
        let (url, host) = (server.url(), server.listener.local_addr().unwrap());
        let (read, asked) = tokio::join!(read(&url), server.answer(answer));
        assert_eq!(read.unwrap(), "tcp://a:1");
        assert!(asked.starts_with("GET /brokers?of=ours HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains(&format!("host: {host}\r\n")), "{asked}");
    }
}

#[tokio::test]
async fn what_is_no_list_is_an_error() {
    let server = Server::start().await;
    let large = page(&"x".repeat(MAX_URI_LENGTH + 1));
    for (answer, problem) in [
        ("HTTP/1.1 404 Not Found\r\n\r\n", "the server answers 404 Not Found"),
        (&large, "the page cannot be read, or has more than 65536 bytes"),
        ("HTTP/1.1 302 Found\r\n\r\n", "the server sends us somewhere that is not to be followed"),
        ("SSH-2.0-OpenSSH\r\n", "invalid HTTP version parsed"),
    ] {
        let url = server.url();
        let (read, _) = tokio::join!(read(&url), server.answer(answer));
        assert_eq!(read.unwrap_err(), problem);
    }
}

#[tokio::test]
async fn a_page_that_has_moved_is_followed_three_times_and_no_more() {
    let server = Server::start().await;
    let moved = "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n";
    let url = server.url();
    let (read_it, ()) = tokio::join!(read(&url), async {
        for _ in 0..2 {
            server.answer(moved).await;
        }
        let asked = server.answer(&page("tcp://a:1")).await;
        assert!(asked.starts_with("GET /there HTTP/1.1\r\n"), "{asked}");
    });
    assert_eq!(read_it.unwrap(), "tcp://a:1");
    let (read_it, ()) = tokio::join!(read(&url), async {
        for _ in 0..4 {
            server.answer(moved).await;
        }
    });
    assert!(read_it.unwrap_err().contains("not to be followed"));
}

#[tokio::test]
async fn who_asks_is_not_shown() {
    let uri = "failover:()".parse().unwrap();
    let tls = Dialer::new(uri, &TransportConfig::default()).tls();
    let page = Page::parse("http://user:hunter2@h:8080/list?token=hunter2", tls).unwrap();
    assert_eq!(page.to_string(), "http://h:8080/list");
}

#[tokio::test]
async fn brokers_that_a_page_names_are_connected_to_however_slow_it_is() {
    let server = Server::start().await;
    let (named, configured) = (ScriptedBroker::start().await, ScriptedBroker::start().await);
    let uri = format!("failover:({})?updateURIsURL={}", configured.uri(), server.url());
    let config = TransportConfig::default();
    let (transport, mut deliveries) = FailoverTransport::start(&uri.parse().unwrap(), config);
    // The page is asked for, and not given: nobody waits for it.
    let (stream, _) = within(server.listener.accept()).await.unwrap();
    let client = connected(&configured, &transport, &mut deliveries).await;
    answer_over(stream, &page(&named.uri())).await;
    let mut topology = transport.topology();
    within(topology.wait_for(|topology| topology.brokers().len() == 2)).await.unwrap();
    drop(client);
    named.accept().await;
}
