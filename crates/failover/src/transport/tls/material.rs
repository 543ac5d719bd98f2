//! Certificates and keys as they are now, and the configuration that is made of them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use rustls_platform_verifier::Verifier;

use super::options::{Pem, Root, Source, TlsOptions};
use super::settings::{Settings, provider};

/// Bytes of the largest file that is read.
const MAX_PEM: usize = 4 << 20;

/// Whether a platform speaks of a wrong name only when nothing else is wrong: where the
/// certificates are checked by webpki, and not by the system itself.
const NAME_COMES_LAST: bool =
    cfg!(all(unix, not(target_vendor = "apple"), not(target_os = "android")));

/// What all that is named in the options holds.
#[derive(Default, PartialEq)]
pub(super) struct Material {
    roots: Vec<Authorities>,
    identity: Option<(Text, Text)>,
}

#[derive(PartialEq)]
enum Authorities {
    Platform,
    Pem(Text),
}

/// Text in PEM form, and where it is from.
#[derive(PartialEq)]
struct Text {
    from: String,
    bytes: Vec<u8>,
}

/// Not what it holds: a key is in it.
impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Material").finish_non_exhaustive()
    }
}

impl Material {
    pub(super) fn read(options: &TlsOptions) -> Result<Self, String> {
        let authorities = |root: &Root| match root {
            Root::Platform => Ok(Authorities::Platform),
            Root::Pem(pem) => Text::read(pem).map(Authorities::Pem),
        };
        let roots = options.roots.iter().map(authorities).collect::<Result<_, _>>()?;
        let identity = match &options.identity {
            Some(identity) => {
                Some((Text::read(&identity.certificates)?, Text::read(&identity.key)?))
            }
            None => None,
        };
        Ok(Self { roots, identity })
    }

    pub(super) fn config(&self, settings: &Settings) -> Result<ClientConfig, String> {
        let mut provider = provider();
        provider.cipher_suites.clone_from(&settings.suites);
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&settings.versions)
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier(settings.verifies_name)?);
        let Some((certificates, key)) = &self.identity else {
            return Ok(builder.with_no_client_auth());
        };
        let key = key.private_key()?;
        builder.with_client_auth_cert(certificates.certificates()?, key).map_err(|error| {
            let from = &certificates.from;
            match error {
                Error::InconsistentKeys(_) => {
                    format!("the client certificate in {from} is not that of its private key")
                }
                other => format!("the client certificate in {from} cannot be used: {other}"),
            }
        })
    }

    fn verifier(&self, verifies_name: bool) -> Result<Arc<dyn ServerCertVerifier>, String> {
        let mut added = Vec::new();
        let mut store = RootCertStore::empty();
        for authorities in &self.roots {
            let Authorities::Pem(text) = authorities else { continue };
            for certificate in text.certificates()? {
                store.add(certificate.clone()).map_err(|_| {
                    format!("{} holds a certificate that cannot be read", text.from)
                })?;
                added.push(certificate);
            }
        }
        let provider = Arc::new(provider());
        let verifier: Arc<dyn ServerCertVerifier> = if self.roots.contains(&Authorities::Platform) {
            if !verifies_name && !NAME_COMES_LAST {
                return Err("this system cannot check a certificate without its host: to do \
                            without verifyHostName, trust authorities that are named"
                    .to_owned());
            }
            Arc::new(Verifier::new_with_extra_roots(added, provider).map_err(|error| {
                format!("the authorities that this system trusts cannot be had: {error}")
            })?)
        } else {
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider)
                .build()
                .map_err(|error| error.to_string())?
        };
        Ok(if verifies_name { verifier } else { Arc::new(AnyName(verifier)) })
    }
}

impl Text {
    fn read(pem: &Pem) -> Result<Self, String> {
        match pem.source() {
            Source::Bytes(bytes) => {
                Ok(Self { from: "the PEM that was given".to_owned(), bytes: bytes.clone() })
            }
            Source::File(path) => {
                let from = format!("the file {}", path.display());
                let read = || -> io::Result<Vec<u8>> {
                    let mut bytes = Vec::new();
                    File::open(path)?.take(MAX_PEM as u64 + 1).read_to_end(&mut bytes)?;
                    Ok(bytes)
                };
                match read() {
                    Ok(bytes) if bytes.len() > MAX_PEM => {
                        Err(format!("{from} has more than {MAX_PEM} bytes"))
                    }
                    Ok(bytes) => Ok(Self { from, bytes }),
                    Err(error) => Err(format!("{from} cannot be read: {error}")),
                }
            }
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        // What is wrong is not repeated: it may be a part of a key.
        let certificates = CertificateDer::pem_slice_iter(&self.bytes)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| format!("{} is not well-formed PEM", self.from))?;
        if certificates.is_empty() {
            return Err(format!("{} holds no certificate in PEM form", self.from));
        }
        Ok(certificates)
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, String> {
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|_| {
            format!("{} holds no private key in PEM form that is not encrypted", self.from)
        })
    }
}

/// Checks everything that another verifier does, except for whom a certificate is.
#[derive(Debug)]
struct AnyName(Arc<dyn ServerCertVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.0.verify_server_cert(certificate, intermediates, name, ocsp_response, now) {
            // Chain, dates and purpose were looked at before the name.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.0.root_hint_subjects()
    }
}
