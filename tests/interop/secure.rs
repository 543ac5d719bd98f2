//! Java's client on a reference broker that speaks TLS and lets only some in.

use std::fs;
use std::process::Command;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rewire_broker::core::Right;
use rewire_broker::{Broker, ListenerConfig, ListenerTls};
use rewire_test_support::Java;

const LONG: Duration = Duration::from_secs(120);

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn java_sends_over_tls_to_the_reference_broker_and_hears_what_it_may_not_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
    fs::write(path("broker.pem"), certificate.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(path("broker.key"), key.serialize_pem()).unwrap();
    let imported = Command::new("keytool")
        .args(["-importcert", "-noprompt", "-storetype", "PKCS12", "-storepass", "changeit"])
        .arg("-keystore")
        .arg(path("trusted.p12"))
        .arg("-file")
        .arg(path("broker.pem"))
        .output()
        .expect("keytool of the JDK");
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stdout));
    let mut listener = ListenerConfig::new("ssl://localhost:0");
    listener.tls = Some(ListenerTls::new(path("broker.pem"), path("broker.key")));
    let mut right = Right::new(rewire::Destination::queue("OPEN"));
    for list in [&mut right.read, &mut right.write, &mut right.admin] {
        list.insert("app".to_owned());
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let builder = Broker::builder().listener(listener).user("app", "secret");
    let builder = builder.configure(|config| config.rights.push(right));
    let broker = runtime.block_on(builder.start()).unwrap();
    let trusted = format!("-Djavax.net.ssl.trustStore={}", path("trusted.p12").display());
    let java = |password: &str, queue: &str| {
        let program = Java::program("Produce").jvm(&trusted);
        let program = program.jvm("-Djavax.net.ssl.trustStorePassword=changeit");
        let program = program.arg("--uri").arg(broker.uri());
        let program = program.args(["--user", "app", "--password", password, "--to", queue]);
        program.args(["--count", "50"]).start().finish(LONG)
    };
    assert_eq!(java("secret", "OPEN").success().last_json()["sent"], 50);
    let wrong = java("wrong", "OPEN").stderr().to_owned();
    assert!(wrong.contains("User name [app] or password is invalid."), "{wrong}");
    let shut = java("secret", "SHUT").stderr().to_owned();
    let expected = "User app is not authorized to write to: queue://SHUT";
    assert!(shut.contains(expected), "{shut}");
    assert!(shut.contains("JMSSecurityException") || shut.contains("JMSException"), "{shut}");
    runtime.block_on(broker.stop());
}
