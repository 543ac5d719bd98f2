//! Who the client says it is, where that is asked anew on every attempt.

use std::error::Error;
use std::fmt;
use std::pin::Pin;

/// A user and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl Credentials {
    /// What a broker is told.
    #[must_use]
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into() }
    }
}

/// Without the password.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why a provider has no credentials.
pub type ProviderError = Box<dyn Error + Send + Sync>;

/// What a provider is on its way to say.
pub type Providing = Pin<Box<dyn Future<Output = Result<Credentials, ProviderError>> + Send>>;

/// Knows the credentials of the moment: from a vault, a file, a service that issues tokens.
///
/// It is asked on every attempt at every broker, before that is connected to, standbys included. What it
/// says goes into the `ConnectionInfo` sent over that link, in place of what stands there, and is
/// forgotten with the link. When it fails, panics or is too slow, the attempt has failed, and the next
/// broker is tried.
///
/// Its error is shown to listeners and in logs: there must be no secret in it.
///
/// An async closure that takes the broker's address is one:
///
/// ```
/// use rewire_failover::{Credentials, CredentialsProvider};
///
/// fn provider() -> impl CredentialsProvider {
///     |_broker: String| async move {
///         let password = std::fs::read_to_string("/run/secrets/billing")?;
///         Ok::<_, std::io::Error>(Credentials::new("billing", password.trim_end()))
///     }
/// }
/// # drop(provider());
/// ```
pub trait CredentialsProvider: Send + Sync + 'static {
    /// The credentials for a broker, named by its address: `tcp://a:61616`.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the attempt is given up or is too slow.
    fn credentials(&self, broker: String) -> Providing;
}

impl<F, P, E> CredentialsProvider for F
where
    F: Fn(String) -> P + Send + Sync + 'static,
    P: Future<Output = Result<Credentials, E>> + Send + 'static,
    E: Into<ProviderError>,
{
    fn credentials(&self, broker: String) -> Providing {
        let provided = self(broker);
        Box::pin(async move { provided.await.map_err(Into::into) })
    }
}

impl fmt::Debug for dyn CredentialsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialsProvider")
    }
}
