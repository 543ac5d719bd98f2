//! Where lists would be read from the web: without the feature `http` they are not.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use super::tls::Tls;

/// There is none.
pub(super) enum Page {}

impl Page {
    pub(super) fn parse(_url: &str, _tls: Arc<Tls>) -> Result<Self, String> {
        Err("lists from the web are not built in: rewire-failover has the feature `http` for them"
            .to_owned())
    }

    #[allow(clippy::unused_async, reason = "with the feature there is something to wait for")]
    pub(super) async fn read(&self, _limit: usize) -> Result<String, Infallible> {
        match *self {}
    }
}

impl fmt::Display for Page {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}
