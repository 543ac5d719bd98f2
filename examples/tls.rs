//! Connects over TLS to a broker whose authority is one's own, and proves who one is.
//!
//! `cargo run -p rewire-examples --example tls`: it starts a broker that has a certificate, since few have one at hand.

use std::error::Error;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rewire::{Connection, Pem, Queue, TlsOptions};
use rewire_broker::{Broker, ClientAuth, ListenerConfig, ListenerTls};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    let broker = start_broker(folder.path()).await?;
    // One attempt at each broker is enough to see whether a certificate is right.
    let uri = format!("failover:({})?startupMaxReconnectAttempts=1", broker.uri());

    // Without options the authorities of the platform are trusted, and this broker's is not among them.
    let error = Connection::builder(&uri).await.err().ok_or("nobody is to be trusted unasked")?;
    println!("not trusted: {error}");

    // The files are read on every attempt: what a certificate manager replaces is used from the next failover on.
    let tls = TlsOptions::default()
        .only_trust(Pem::file(file("authority.pem")))
        .identify_with(Pem::file(file("client.pem")), Pem::file(file("client.pem")));
    let connection = Connection::builder(&uri).tls(tls).await?;
    let producer = connection.session().await?.producer(&Queue::new("ORDERS")).await?;
    println!("sent over TLS: {}", producer.send("12 anvils").await?);
    connection.close().await?;
    broker.stop().await;
    Ok(())
}

/// A broker that lets nobody in without a certificate. What it writes into the folder comes from a certificate manager
/// elsewhere.
async fn start_broker(folder: &Path) -> Result<Broker, Box<dyn Error>> {
    let mut params = CertificateParams::new([])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    std::fs::write(folder.join("authority.pem"), params.self_signed(&key)?.pem())?;
    let authority = Issuer::new(params, key);
    // The name of the broker in the URI has to be in its certificate.
    for (file, name) in [("broker.pem", "127.0.0.1"), ("client.pem", "billing")] {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new([name.to_owned()])?.signed_by(&key, &authority)?;
        std::fs::write(folder.join(file), certificate.pem() + &key.serialize_pem())?;
    }
    let mut tls = ListenerTls::new(folder.join("broker.pem"), folder.join("broker.pem"));
    tls.client_auth = ClientAuth::Need(folder.join("authority.pem"));
    let mut listener = ListenerConfig::new("ssl://127.0.0.1:0");
    listener.tls = Some(tls);
    Ok(Broker::builder().listener(listener).start().await?)
}
