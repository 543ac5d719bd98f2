//! What goes wrong is said in one line that names the culprit and what to try, and the exit code says whose it is.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::TcpListener;
use std::process::{Command, Stdio};

use rewire_broker::Broker;

/// The exit code and what went to stderr.
fn rewire(arguments: &[&str]) -> (i32, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_rewire"));
    let output = program.args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// Fails with this code, and says all of these in its one line.
fn fails(arguments: &[&str], code: i32, says: &[&str]) {
    let (found, said) = rewire(arguments);
    assert_eq!(found, code, "{arguments:?}: {said}");
    for part in says {
        assert!(said.contains(part), "{arguments:?} does not say {part:?}: {said}");
    }
    // Those of the command line itself have a usage line more.
    let is_one_line = said.trim_end().lines().count() == 1 && said.starts_with("rewire: ");
    assert!(is_one_line || said.starts_with("error: "), "{said}");
}

#[test]
fn a_slip_of_the_pen_is_answered_with_the_nearest_word() {
    fails(&["sned", "tcp://a:1", "Q"], 2, &["'sned'", "'send'"]);
    fails(&["send", "tcp://a:1", "Q", "--cuont", "4"], 2, &["'--cuont'", "'--count'"]);
    fails(&["bench", "sook", "tcp://a:1"], 2, &["'sook'", "'soak'"]);
    fails(&["send", "tpc://a:1", "Q"], 2, &["`tpc`", "`tcp`"]);
    let uri = "failover:(tcp://a:1)?randomise=false";
    fails(&["send", uri, "Q"], 2, &["`randomise`", "`randomize`", "at byte 21"]);
    fails(&["send", "tcp://a:1", "qeue://Q"], 2, &["qeue://", "queue://NAME"]);
}

#[test]
fn what_is_missing_or_does_not_go_together_is_named() {
    fails(&["receive", "tcp://a:1", "Q", "--tx-batch", "5"], 2, &["--ack transacted"]);
    fails(&["receive", "tcp://a:1", "topic://T", "--durable", "d"], 2, &["--client-id"]);
    fails(&["receive", "tcp://a:1", "Q", "--idle-timeout", "5"], 2, &["500ms"]);
    let missing = ["send", "tcp://a:1", "Q", "--user", "u", "--password-env", "NOT_SET_ANYWHERE"];
    fails(&missing, 2, &["--password-env", "NOT_SET_ANYWHERE"]);
    fails(&["send", "tcp://a:1", "Q", "--log", "/no/such/folder/log"], 1, &["/no/such/folder/log"]);
    fails(&["bench", "soak", "tcp://a:1", "--ack", "transacted"], 2, &["transacted"]);
}

#[test]
fn an_address_that_a_broker_cannot_listen_on_is_said_before_what_else_is_missing() {
    fails(&["broker", "--listen", "tcp//x"], 2, &["--listen tcp//x", "tcp://host:port"]);
    fails(&["broker", "--listen", "tcp://127.0.0.1:0", "--listen", "udp://x:1"], 2, &["udp://x:1"]);
    fails(&["broker", "--listen", "tcp://127.0.0.1:0"], 2, &["--data", "--memory"]);
}

#[test]
fn a_broker_that_is_not_there_is_named_with_the_verb_that_looks_closer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    drop(listener);
    for verb in ["send", "receive", "browse"] {
        fails(&[verb, &address, "Q"], 1, &[&address, "rewire doctor"]);
    }
    // It goes on trying, and says so to a file too: at the second round, and then that it gave up.
    let uri = format!("failover:({address})?startupMaxReconnectAttempts=2&initialReconnectDelay=1");
    let (code, said) = rewire(&["send", &uri, "Q"]);
    assert_eq!(code, 1, "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.contains("(round 2)") && said.contains("gave up after 2 rounds"), "{said}");
}

#[tokio::test]
async fn what_a_broker_refuses_comes_with_advice() {
    let builder = Broker::builder().listen("tcp://127.0.0.1:0").user("app", "secret");
    let broker = builder.start().await.unwrap();
    let uri = broker.uris().next().unwrap().to_owned();
    let refused = tokio::task::spawn_blocking(move || {
        fails(&["send", &uri, "Q"], 1, &["--user", "--password-env"]);
        let logged_in = format!("{uri}?jms.userName=app&jms.password=secret");
        let selector = ["browse", &logged_in, "Q", "--selector", "a ="];
        fails(&selector, 1, &["selector", "region = 'eu'"]);
        let request = ["request", &logged_in, "NOBODY", "hello", "--timeout", "100ms"];
        fails(&request, 1, &["NOBODY", "--timeout"]);
        let ssl = uri.replace("tcp://", "ssl://");
        let (_, said) = rewire(&["send", &ssl, "Q"]);
        assert!(said.contains("TLS") && said.contains("rewire doctor"), "{said}");
        assert!(!said.contains("secret"), "{said}");
    });
    refused.await.unwrap();
    broker.stop().await;
}

#[test]
fn each_shell_gets_a_script_that_knows_the_verbs() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_rewire"));
        let output = program.args(["completions", shell]).output().unwrap();
        assert!(output.status.success(), "{shell}");
        let script = String::from_utf8(output.stdout).unwrap();
        for word in ["receive", "doctor", "--idle-timeout", "throughput"]
            .map(|word| word.trim_start_matches("--"))
        {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
    fails(&["completions", "bsh"], 2, &["'bsh'", "'bash'"]);
}
