//! `rewire proxy` as a process: faults by flags and by lines, and what it prints of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

/// A proxy that ends with its test, in front of a broker that is this test.
struct Proxy {
    child: Child,
    stdin: ChildStdin,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    address: String,
    broker: TcpListener,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn rewire() -> Command {
    Command::new(env!("CARGO_BIN_EXE_rewire"))
}

impl Proxy {
    /// With `READY` read, and what was printed before it.
    fn start(flags: &[&str]) -> (Self, Vec<String>) {
        let broker = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = format!("tcp://{}", broker.local_addr().unwrap());
        let mut child = rewire()
            .args(["proxy", "--listen", "tcp://127.0.0.1:0", "--to", &to, "--json"])
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut before = Vec::new();
        let address = loop {
            let line = lines.next().expect("READY").unwrap();
            match line.strip_prefix("READY tcp://") {
                Some(address) => break address.to_owned(),
                None => before.push(line),
            }
        };
        (Self { child, stdin, lines, address, broker }, before)
    }

    fn dial(&self) -> TcpStream {
        let client = TcpStream::connect(&self.address).unwrap();
        client.set_read_timeout(Some(SOON)).unwrap();
        client
    }

    fn tell(&mut self, fault: &str) {
        writeln!(self.stdin, "{fault}").unwrap();
    }

    fn next(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().expect("an event").unwrap()).unwrap()
    }
}

#[test]
fn faults_come_from_lines_and_each_is_told_when_it_holds() {
    let (mut proxy, _) = Proxy::start(&[]);
    let mut client = proxy.dial();
    assert_eq!(proxy.next()["event"], "opened");
    let (mut server, _) = proxy.broker.accept().unwrap();
    client.write_all(b"hello").unwrap();
    let mut heard = [0; 5];
    server.read_exact(&mut heard).unwrap();
    proxy.tell("reset");
    let told = [proxy.next(), proxy.next()];
    let fault = json!({"event": "fault", "fault": "reset"});
    let closed = json!({"event": "closed", "connection": 1, "why": "reset",
                        "to_broker_bytes": 5, "to_client_bytes": 0});
    assert!(told.contains(&fault) && told.contains(&closed), "{told:?}");
    assert!(client.read(&mut heard).is_err());
    proxy.tell("refuse");
    assert_eq!(proxy.next(), json!({"event": "fault", "fault": "refuse"}));
    assert!(TcpStream::connect(&proxy.address).is_err());
    proxy.tell("clear");
    assert_eq!(proxy.next(), json!({"event": "fault", "fault": "clear"}));
    proxy.dial();
}

#[test]
fn faults_come_from_flags_and_hold_from_the_beginning() {
    let (proxy, before) = Proxy::start(&["--cut-after", "3", "--direction", "to-broker"]);
    assert_eq!(before, [json!({"event": "fault", "fault": "cut-after 3 to-broker"}).to_string()]);
    let mut client = proxy.dial();
    let (mut server, _) = proxy.broker.accept().unwrap();
    client.write_all(b"hello").unwrap();
    let mut heard = [0; 3];
    server.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"hel");
    assert!(client.read(&mut heard).is_err());
}

#[test]
fn a_mistake_in_a_line_is_told_and_changes_nothing() {
    let (mut proxy, _) = Proxy::start(&[]);
    proxy.tell("# a remark, and an empty line");
    proxy.tell("");
    proxy.tell("dely 5s");
    let problem = "there is no fault \"dely\": delay?";
    assert_eq!(proxy.next(), json!({"event": "error", "line": "dely 5s", "problem": problem}));
    proxy.dial();
    assert_eq!(proxy.next()["event"], "opened");
}

#[test]
fn a_mistake_on_the_command_line_is_named() {
    for (arguments, why) in [
        (&["--to", "127.0.0.1:61616"][..], "only tcp://host:port"),
        (&["--to", "tcp://a:1", "--listen", "x"], "only tcp://host:port"),
        (&["--to", "tcp://a:1", "--direction", "to-clint"], "to-client?"),
        (&[], "--to"),
    ] {
        let output = rewire().arg("proxy").args(arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(why), "{arguments:?}: {stderr}");
    }
}
