//! `updateURIsURL`: a task of its own that reads a list of brokers again and again.
//!
//! Java reads it at the start of each round, with its lock held and without a deadline, and never while
//! it is connected. Here a list is read at the start, a file once a second after that and an address of
//! the web every ten seconds, connected or not; a reading has five seconds.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

#[cfg(not(feature = "http"))]
use super::no_web as web;
use super::tls::Tls;
#[cfg(feature = "http")]
use super::web;
use crate::uri::{BrokerUri, FailoverUri, MAX_URI_LENGTH, PushedBrokers};

/// How long one reading may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// Between two readings of a file.
const FILE_INTERVAL: Duration = Duration::from_secs(1);
/// Between two readings of an address of the web.
const WEB_INTERVAL: Duration = Duration::from_secs(10);
/// Until the next reading, while there was none that succeeded.
const RETRY: Duration = Duration::from_secs(1);

/// What a reading brought.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) brokers: Vec<BrokerUri>,
    /// Whether to move to the broker that is now the first.
    pub(super) rebalance: bool,
}

/// Begins to read where the URI says, if it does and lists are wanted.
///
/// The first reading is always told of, as `None` when nothing came of it; after that each change is.
/// It ends when nobody listens any more.
pub(super) fn watch(uri: &FailoverUri, tls: Arc<Tls>) -> Option<mpsc::Receiver<Option<Found>>> {
    let options = uri.options();
    let url = options.update_uris_url.as_deref().filter(|_| options.update_uris_supported)?;
    let (found, finds) = mpsc::channel(1);
    match Source::parse(url, tls) {
        Ok(source) => {
            let watch = Watch {
                source,
                rebalances: options.rebalance_update_uris,
                text: None,
                first: None,
                was_readable: true,
            };
            tokio::spawn(watch.run(found));
        }
        Err(problem) => {
            tracing::warn!(%problem, "no brokers are read from updateURIsURL");
            return None;
        }
    }
    Some(finds)
}

struct Watch {
    source: Source,
    rebalances: bool,
    /// What was read last.
    text: Option<String>,
    /// The first broker of it.
    first: Option<BrokerUri>,
    was_readable: bool,
}

impl Watch {
    async fn run(mut self, found: mpsc::Sender<Option<Found>>) {
        let mut is_first = true;
        loop {
            let text = tokio::select! {
                text = self.source.read() => text,
                () = found.closed() => return,
            };
            let news = self.take(text);
            if (is_first || news.is_some()) && found.send(news).await.is_err() {
                return;
            }
            is_first = false;
            let interval = if self.text.is_some() { self.source.interval() } else { RETRY };
            tokio::select! {
                () = sleep_until(Instant::now() + interval) => {}
                () = found.closed() => return,
            }
        }
    }

    /// What is new. A list that cannot be read, or names nobody, leaves the last one in force, as in
    /// Java.
    fn take(&mut self, text: io::Result<String>) -> Option<Found> {
        let text = match text {
            Ok(text) => text,
            Err(problem) => {
                // Said once, not at each reading.
                if std::mem::take(&mut self.was_readable) {
                    tracing::warn!(source = %self.source, %problem, "cannot read the list of brokers");
                }
                return None;
            }
        };
        self.was_readable = true;
        if self.text.as_ref() == Some(&text) {
            return None;
        }
        let list = PushedBrokers::parse(&without_comments(&text));
        for refused in &list.refused {
            let (entry, error) = (&refused.text, &refused.error);
            tracing::warn!(source = %self.source, entry, %error, "an entry of the list of brokers is left out");
        }
        let is_other_list = self.text.replace(text).is_some();
        let first = list.brokers.first()?.clone();
        let is_other_first = self.first.replace(first.clone()).is_some_and(|last| last != first);
        let rebalance = self.rebalances && is_other_list && is_other_first;
        Some(Found { brokers: list.brokers, rebalance })
    }
}

/// The list without the lines that say something to people.
fn without_comments(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let is_entry = |line: &&str| !line.trim_start().starts_with('#');
    text.lines().filter(is_entry).collect::<Vec<_>>().join("\n")
}

/// Where a list is read.
enum Source {
    File { path: PathBuf, reading: Option<JoinHandle<io::Result<String>>> },
    Web(web::Page),
}

impl Source {
    /// Java: what is no URL is the path of a file.
    fn parse(url: &str, tls: Arc<Tls>) -> Result<Self, String> {
        let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        // One letter is a drive of Windows.
        let scheme = scheme.filter(|scheme| {
            scheme.len() > 1 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        match scheme.as_deref() {
            None => Ok(Self::file(PathBuf::from(url))),
            Some("file") => Ok(Self::file(file_of_url(url)?)),
            Some("http" | "https") => web::Page::parse(url, tls).map(Self::Web),
            Some(other) => Err(format!("{other}: is neither a file nor an address of the web")),
        }
    }

    const fn file(path: PathBuf) -> Self {
        Self::File { path, reading: None }
    }

    const fn interval(&self) -> Duration {
        match self {
            Self::File { .. } => FILE_INTERVAL,
            Self::Web(_) => WEB_INTERVAL,
        }
    }

    async fn read(&mut self) -> io::Result<String> {
        let too_slow = || io::Error::from(io::ErrorKind::TimedOut);
        let text = match self {
            Self::File { path, reading } => {
                // One that hangs, on a file server that is gone, is waited for and not begun again.
                let hanging = reading.get_or_insert_with(|| {
                    let path = path.clone();
                    tokio::task::spawn_blocking(move || read_file(&path))
                });
                let read = timeout(DEADLINE, hanging).await.map_err(|_| too_slow())?;
                *reading = None;
                read.map_err(io::Error::other)?
            }
            Self::Web(page) => timeout(DEADLINE, page.read(MAX_URI_LENGTH))
                .await
                .map_err(|_| too_slow())?
                .map_err(io::Error::other),
        };
        text.map(|text| text.trim().to_owned())
    }
}

/// Without what may be secret.
impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { path, .. } => path.display().fmt(f),
            Self::Web(page) => page.fmt(f),
        }
    }
}

fn read_file(path: &std::path::Path) -> io::Result<String> {
    // A pipe would not let go of its reader.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    let limit = MAX_URI_LENGTH as u64;
    let mut text = String::new();
    std::fs::File::open(path)?.take(limit + 1).read_to_string(&mut text)?;
    if text.len() as u64 > limit {
        let problem = format!("it has more than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    Ok(text)
}

/// The path that a URL names: `file:list`, `file:/etc/list`, `file:///etc/list`.
fn file_of_url(url: &str) -> Result<PathBuf, String> {
    let rest = url.split_once(':').map_or(url, |(_, rest)| rest);
    let path = match rest.strip_prefix("//") {
        None => rest,
        Some(rest) => match rest.find('/') {
            Some(end) if end == 0 || rest[..end].eq_ignore_ascii_case("localhost") => &rest[end..],
            _ => return Err("the file is on another host".to_owned()),
        },
    };
    percent_decoded(path).map(PathBuf::from).ok_or_else(|| "the URL is not well formed".to_owned())
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let value = digit()? * 16 + digit()?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::TransportConfig;

    #[test]
    fn a_file_is_named_by_its_path_or_by_a_url() {
        let path =
            |url: &str| match Source::parse(url, Arc::new(Tls::new(&TransportConfig::default()))) {
                Ok(Source::File { path, .. }) => path.display().to_string(),
                Ok(Source::Web(_)) => panic!("{url} is a file"),
                Err(problem) => problem,
            };
        assert_eq!(path("/etc/brokers"), "/etc/brokers");
        assert_eq!(path("brokers.txt"), "brokers.txt");
        assert_eq!(path(r"C:\brokers.txt"), r"C:\brokers.txt");
        assert_eq!(path("file:/etc/brokers"), "/etc/brokers");
        assert_eq!(path("file:///etc/my%20brokers"), "/etc/my brokers");
        assert_eq!(path("FILE://localhost/etc/brokers"), "/etc/brokers");
        assert_eq!(path("file:brokers.txt"), "brokers.txt");
        assert_eq!(path("file://elsewhere/brokers"), "the file is on another host");
        assert_eq!(path("file:/a%2"), "the URL is not well formed");
        assert_eq!(path("ftp://h/x"), "ftp: is neither a file nor an address of the web");
    }

    fn watch(rebalances: bool) -> Watch {
        let source = Source::file(PathBuf::from("list"));
        Watch { source, rebalances, text: None, first: None, was_readable: true }
    }

    /// The brokers, and whether to move to the first of them.
    fn take(watch: &mut Watch, text: &str) -> Option<(Vec<String>, bool)> {
        let found = watch.take(Ok(text.to_owned()))?;
        let brokers = found.brokers.iter().map(BrokerUri::location).collect();
        Some((brokers, found.rebalance))
    }

    #[test]
    fn only_another_first_broker_than_before_is_one_to_move_to() {
        let mut watched = watch(true);
        let found = |brokers: &[&str], rebalance| {
            Some((brokers.iter().map(|broker| (*broker).to_owned()).collect(), rebalance))
        };
        assert_eq!(take(&mut watched, "tcp://a:1"), found(&["tcp://a:1"], false));
        assert_eq!(take(&mut watched, "tcp://a:1"), None);
        let list = "tcp://a:1,tcp://b:1";
        assert_eq!(take(&mut watched, list), found(&["tcp://a:1", "tcp://b:1"], false));
        let list = "tcp://b:1\n# and\ntcp://a:1";
        assert_eq!(take(&mut watched, list), found(&["tcp://b:1", "tcp://a:1"], true));
        // Nobody is named: the last list stays.
        assert_eq!(take(&mut watched, ""), None);
        assert!(watched.take(Err(io::ErrorKind::NotFound.into())).is_none());
        assert_eq!(take(&mut watched, "tcp://b:1"), found(&["tcp://b:1"], false));

        let mut watched = watch(false);
        take(&mut watched, "tcp://a:1");
        assert_eq!(take(&mut watched, "tcp://b:1"), found(&["tcp://b:1"], false));
    }

    #[test]
    fn an_entry_that_is_no_broker_is_left_out() {
        let list = "http://a:1\ntcp://b:1, tcp://c\ntcp://d:1";
        let (brokers, _) = take(&mut watch(true), list).unwrap();
        assert_eq!(brokers, ["tcp://b:1", "tcp://d:1"]);
    }

    #[test]
    fn what_is_too_long_or_no_file_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read_file(directory.path()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        let path = directory.path().join("list");
        std::fs::write(&path, "x".repeat(MAX_URI_LENGTH)).unwrap();
        assert_eq!(read_file(&path).unwrap().len(), MAX_URI_LENGTH);
        std::fs::write(&path, "x".repeat(MAX_URI_LENGTH + 1)).unwrap();
        assert_eq!(read_file(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn comments_are_not_looked_at() {
        let text = "\u{feff}# ours, they say\ntcp://a:1\n   # tcp://b:1\ntcp://c:1";
        assert_eq!(without_comments(text), "tcp://a:1\ntcp://c:1");
    }
}
