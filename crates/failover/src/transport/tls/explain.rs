//! What went wrong in TLS, as a sentence that says what to look at. No secret is in any.

use std::io;
use std::time::Duration;

use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, Error};

/// How many names of a certificate are listed.
const MAX_NAMES: usize = 8;
/// The most characters of one of them.
const MAX_NAME: usize = 253;

/// Why a handshake failed.
pub(super) fn handshake(error: &io::Error) -> String {
    if let Some(problem) = problem(error) {
        return problem;
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            "the peer closed the connection in the middle of the handshake".to_owned()
        }
        _ => format!("the connection broke in the middle of the handshake: {error}"),
    }
}

/// What is wrong, if it is TLS that is.
pub(in crate::transport) fn problem(error: &io::Error) -> Option<String> {
    let error: &Error = error.get_ref()?.downcast_ref()?;
    Some(match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::AlertReceived(alert) => refusal(*alert),
        Error::InvalidMessage(_) => {
            "what the peer sent is not TLS: is this the port for it?".to_owned()
        }
        other => other.to_string(),
    })
}

fn certificate(error: &CertificateError) -> String {
    let what = "the broker's certificate";
    match error {
        CertificateError::UnknownIssuer => {
            format!("no authority that is trusted has issued {what}")
        }
        CertificateError::ExpiredContext { time, not_after } => {
            format!("{what} expired {} ago", span(*not_after, *time))
        }
        CertificateError::Expired => format!("{what} has expired"),
        CertificateError::NotValidYetContext { time, not_before } => {
            format!("{what} is not valid yet: it will be in {}", span(*time, *not_before))
        }
        CertificateError::NotValidYet => format!("{what} is not valid yet"),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<_> = presented.iter().take(MAX_NAMES).map(|name| plain(name)).collect();
            let expected = host(expected);
            match presented.len().saturating_sub(MAX_NAMES) {
                0 if names.is_empty() => format!(
                    "{what} is not for {expected}: it has no alternative name, and its common name \
                     does not count"
                ),
                0 => format!("{what} is not for {expected}, only for {}", names.join(", ")),
                more => format!(
                    "{what} is not for {expected}, only for {} and {more} more",
                    names.join(", ")
                ),
            }
        }
        CertificateError::NotValidForName => format!("{what} is not for the host in the URI"),
        CertificateError::Revoked => format!("{what} has been revoked"),
        CertificateError::BadSignature => format!(
            "{what} is not signed with the key of the authority of that name that is trusted: was \
             the authority made anew?"
        ),
        CertificateError::BadEncoding => format!("{what} cannot be read"),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            format!("{what} is not for servers")
        }
        other => format!("{what} cannot be accepted: {other}"),
    }
}

/// What the broker has against this side.
fn refusal(alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    match alert {
        Alert::CertificateRequired => {
            "the broker demands a client certificate, and was shown none".to_owned()
        }
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied => format!(
            "the broker does not accept the client's certificate, or that it has none ({alert:?})"
        ),
        Alert::ProtocolVersion => {
            "the broker speaks no version of TLS that is spoken here".to_owned()
        }
        Alert::HandshakeFailure => "the broker sees no way to agree: on a protocol, on a cipher \
                                    suite, or without a client certificate"
            .to_owned(),
        Alert::UnrecognisedName => "the broker does not go by the host in the URI".to_owned(),
        other => format!("the broker broke it off ({other:?})"),
    }
}

fn host(name: &ServerName<'_>) -> String {
    name.to_str().into_owned()
}

/// `DnsName("mq1")` and `IpAddress(10.0.0.1)` without what is around the name. The name is the
/// peer's: what could confuse a log is not in it.
fn plain(presented: &str) -> String {
    let inner = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    let name = inner.unwrap_or(presented).trim_matches('"');
    let harmless = |c: &char| c.is_ascii_graphic();
    name.chars().filter(harmless).take(MAX_NAME).collect()
}

/// How long it is from one time to another, roughly.
fn span(from: UnixTime, to: UnixTime) -> String {
    let seconds = Duration::from_secs(to.as_secs().saturating_sub(from.as_secs())).as_secs();
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}
