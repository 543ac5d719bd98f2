//! What the URI of a broker says of TLS: protocols, cipher suites, and whether the name counts.

use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use crate::error::DialError;
use crate::uri::TransportOptions;

/// What a configuration is made for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) verifies_name: bool,
    pub(super) versions: Vec<&'static SupportedProtocolVersion>,
    /// In order of preference.
    pub(super) suites: Vec<SupportedCipherSuite>,
}

impl Settings {
    pub(super) fn read(options: &TransportOptions) -> Result<Self, DialError> {
        let settings = Self {
            verifies_name: options.verifies_host_name(),
            versions: versions(&options.socket.enabled_protocols)
                .map_err(DialError::Unsupported)?,
            suites: suites(&options.socket.enabled_cipher_suites)
                .map_err(DialError::Unsupported)?,
        };
        let fits = |suite: &SupportedCipherSuite| {
            settings.versions.iter().any(|version| version.version == suite.version().version)
        };
        if settings.suites.iter().any(fits) {
            return Ok(settings);
        }
        Err(DialError::Unsupported(
            "none of the suites in socket.enabledCipherSuites is for one of the protocols in \
             socket.enabledProtocols"
                .to_owned(),
        ))
    }
}

fn versions(names: &[String]) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    if names.is_empty() {
        return Ok(vec![&TLS13, &TLS12]);
    }
    let mut versions = Vec::new();
    for name in names {
        let version = match name.as_str() {
            "TLSv1.3" => &TLS13,
            "TLSv1.2" => &TLS12,
            old @ ("SSLv2Hello" | "SSLv3" | "TLSv1" | "TLSv1.1") => {
                return Err(format!(
                    "socket.enabledProtocols has {old}, which is no longer secure and not spoken: \
                     TLSv1.2 and TLSv1.3 are"
                ));
            }
            unknown => {
                return Err(format!(
                    "socket.enabledProtocols has {unknown:?}, which is not known: TLSv1.2 and \
                     TLSv1.3 are"
                ));
            }
        };
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    Ok(versions)
}

/// Those of the named suites that there are. Lists written for Java also name some that are weak
/// and that rustls does not have; to leave one out allows nothing that was not allowed.
fn suites(names: &[String]) -> Result<Vec<SupportedCipherSuite>, String> {
    let ours = provider().cipher_suites;
    if names.is_empty() {
        return Ok(ours);
    }
    let named = |name: &String| ours.iter().find(|suite| java_name(suite) == *name).copied();
    let suites: Vec<_> = names.iter().filter_map(named).collect();
    if suites.is_empty() {
        let ours: Vec<_> = ours.iter().map(java_name).collect();
        let ours = ours.join(", ");
        return Err(format!(
            "none of the suites in socket.enabledCipherSuites is known: there are {ours}"
        ));
    }
    Ok(suites)
}

/// As Java and the registry write it; rustls says `TLS13_` for what is TLS 1.3's.
fn java_name(suite: &SupportedCipherSuite) -> String {
    let name = suite.suite().as_str().unwrap_or_default();
    name.strip_prefix("TLS13_").map_or_else(|| name.to_owned(), |rest| format!("TLS_{rest}"))
}

/// The cryptography: ring's, whatever the application has made the default of the process.
pub(super) fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uri::BrokerUri;

    fn read(query: &str) -> Result<Settings, String> {
        let broker = BrokerUri::parse(&format!("ssl://a:1{query}")).unwrap();
        Settings::read(&broker.transport()).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_word_both_protocols_are_spoken_and_the_name_counts() {
        let settings = read("").unwrap();
        assert_eq!(settings.versions, [&TLS13, &TLS12]);
        assert!(settings.verifies_name);
        assert_eq!(settings.suites.len(), 9);
    }

    #[test]
    fn protocols_are_those_that_are_named() {
        assert_eq!(read("?socket.enabledProtocols=TLSv1.2").unwrap().versions, [&TLS12]);
        let both = read("?socket.enabledProtocols=TLSv1.2,TLSv1.3,TLSv1.2").unwrap();
        assert_eq!(both.versions, [&TLS12, &TLS13]);
    }

    #[test]
    fn an_old_or_unknown_protocol_is_named_in_the_error() {
        for (name, why) in [
            ("TLSv1.1", "TLSv1.1, which is no longer secure"),
            ("SSLv3", "SSLv3, which is no longer secure"),
            ("TLSv1.4", "\"TLSv1.4\", which is not known"),
        ] {
            let error = read(&format!("?socket.enabledProtocols=TLSv1.2,{name}")).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn suites_are_those_that_are_named_in_their_order_without_what_there_is_not() {
        let settings = read(
            "?socket.enabledCipherSuites=TLS_RSA_WITH_AES_128_CBC_SHA,\
             TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_AES_256_GCM_SHA384",
        );
        let names: Vec<_> = settings.unwrap().suites.iter().map(java_name).collect();
        assert_eq!(names, ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"]);
    }

    #[test]
    fn suites_that_leave_nothing_to_speak_are_an_error() {
        let error = read("?socket.enabledCipherSuites=TLS_RSA_WITH_AES_128_CBC_SHA").unwrap_err();
        assert!(error.contains("there are TLS_AES_256_GCM_SHA384, "), "{error}");
        let error = read(
            "?socket.enabledProtocols=TLSv1.2&socket.enabledCipherSuites=TLS_AES_256_GCM_SHA384",
        );
        assert!(error.unwrap_err().contains("is for one of the protocols"));
    }
}
