//! Without the feature `metrics`: nothing is counted.

use std::sync::Arc;

use rewire_failover::transport::FailoverTransport;
use rewire_protocol::Destination;

use super::{Meter, Operation};
use crate::error::ErrorKind;

#[derive(Debug)]
pub(super) struct Numbers;

impl Numbers {
    pub(super) const fn of(_: Option<&Destination>) -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "as with the feature")]
    pub(super) const fn count(&self, _: Operation) {}
}

#[derive(Debug)]
pub(super) struct Watch;

#[expect(clippy::unused_self, clippy::needless_pass_by_ref_mut, reason = "as with the feature")]
impl Watch {
    pub(super) const fn start(_: &Arc<Meter>, _: Operation) -> Self {
        Self
    }

    pub(super) const fn left(&mut self) {}

    pub(super) const fn end(&mut self, _: Option<ErrorKind>) {}
}

pub(crate) const fn describe() {}

pub(crate) const fn count_events(_: &FailoverTransport) {}
