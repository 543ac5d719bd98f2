//! `rewire doctor` names what is wrong with what listens at an address.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;
use std::net::TcpListener;
use std::process::Command;

/// What the program prints about an address, and whether it is content.
fn doctor(address: &str, limit: &str) -> (String, bool) {
    let uri = format!("failover:({address})");
    let mut program = Command::new(env!("CARGO_BIN_EXE_rewire"));
    let output = program.args(["doctor", &uri, "--timeout", limit]).output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.success())
}

#[test]
fn a_port_where_nobody_listens_is_told_from_one_that_is_deaf() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let (said, is_well) = doctor(&address, "1s");
    assert!(!is_well && said.contains("a port that listens and is deaf"), "{said}");
    drop(listener);
    let (said, is_well) = doctor(&address, "20s");
    assert!(!is_well && said.contains("nobody listens there"), "{said}");
    assert!(said.starts_with(&address), "{said}");
}

#[test]
fn a_port_of_another_protocol_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        stream
    });
    let (said, is_well) = doctor(&address, "20s");
    drop(server.join().unwrap());
    assert!(!is_well && said.contains("does not speak OpenWire"), "{said}");
}

#[test]
fn a_host_without_an_address_and_a_uri_without_a_broker_are_told() {
    let (said, is_well) = doctor("tcp://no-such-host.invalid:61616", "20s");
    assert!(!is_well && said.contains("cannot resolve the host name"), "{said}");
    let (said, is_well) = doctor("", "20s");
    assert!(!is_well && said.is_empty(), "{said}");
}
