//! A link to ActiveMQ brokers that survives them: the failover transport, as a pure core and a tokio
//! shell.
//!
//! - [`uri`]: `failover:(..)` URIs and their options.
//! - [`core`]: the machine that decides; no socket, no clock.
//! - [`tracker`]: what a new broker must hear again.
//! - `transport`: the shell with the sockets, behind the default feature `tokio`; TLS in it behind
//!   the default feature `tls`.

pub mod core;
mod credentials;
mod error;
pub mod tracker;
#[cfg(feature = "tokio")]
pub mod transport;
pub mod uri;

pub use credentials::{Credentials, CredentialsProvider, ProviderError, Providing};
pub use error::{DialError, GaveUp, LostReason, Noticed, RequestError};
