//! `rewire broker` as a process: it says when it is ready, stops in order, and loses nothing when it is killed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(30);

/// A broker that ends with its test.
struct Broker {
    child: Child,
    uri: String,
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn rewire() -> Command {
    Command::new(env!("CARGO_BIN_EXE_rewire"))
}

impl Broker {
    /// The command of a broker on what it has stored in this folder.
    fn on(listen: &str, data: &Path) -> Command {
        let mut command = rewire();
        command.args(["broker", "--listen", listen, "--data"]).arg(data);
        command
    }

    fn start(listen: &str, data: &Path) -> Self {
        Self::run(&mut Self::on(listen, data))
    }

    fn run(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let uri = line.trim().strip_prefix("READY ").expect("it is ready").to_owned();
        Self { child, uri }
    }
}

#[expect(clippy::disallowed_methods, reason = "what is waited for is another process's doing")]
fn now() -> Instant {
    Instant::now()
}

fn json(output: &Output) -> serde_json::Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    serde_json::from_str(text.lines().last().expect("a summary")).unwrap()
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// Lets some time pass, so that what follows happens at no moment in particular.
    fn dawdle(&mut self, limit: Duration) {
        let until =
            now() + limit.mul_f64(f64::from(u16::try_from(self.below(1000)).unwrap()) / 1000.0);
        while now() < until {
            std::thread::yield_now();
        }
    }
}

/// How often the broker is killed in each mode: `REWIRE_KILLS`, or a few times.
fn kills() -> u64 {
    std::env::var("REWIRE_KILLS")
        .map_or(4, |kills| kills.parse().expect("REWIRE_KILLS is a number"))
}

/// A broker is killed again and again while one client sends; then all that it has stored is counted.
fn kill_while_sending(mode: &str, per_kill: u64) {
    let count = (kills() + 1) * per_kill;
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start("tcp://127.0.0.1:0", folder.path());
    let address = broker.uri.clone();
    let uri = format!("failover:({address})?initialReconnectDelay=1&maxReconnectDelay=20");
    let log = folder.path().join("sent.jsonl");
    let mut sender = rewire()
        .args(["send", &uri, "Q", "--count", &count.to_string(), "--mode", mode])
        .args(["--rate", "4000", "--json", "--log"])
        .arg(&log)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut dice = Dice(0x5EED_0001 + per_kill);
    let mut answered = 0;
    for _ in 0..kills() {
        let deadline = now() + SOON;
        let before = answered;
        while answered <= before + per_kill / 3 {
            assert!(now() < deadline, "{mode}: the sender goes on after {before}");
            assert!(sender.try_wait().unwrap().is_none(), "{mode}: killed after all was sent");
            std::thread::yield_now();
            let lines = std::fs::read_to_string(&log).map_or(0, |log| log.lines().count());
            answered = u64::try_from(lines).unwrap();
        }
        dice.dawdle(Duration::from_millis(10));
        drop(broker);
        if dice.below(3) == 0 {
            // And once more, while it reads what it had stored.
            let mut recovering =
                Broker::on(&address, folder.path()).stdout(Stdio::piped()).spawn().unwrap();
            dice.dawdle(Duration::from_millis(30));
            recovering.kill().unwrap();
            recovering.wait().unwrap();
        }
        broker = Broker::start(&address, folder.path());
    }
    let sent = json(&sender.wait_with_output().unwrap());
    assert_eq!(sent["confirmed"], count, "{sent}");
    // The last one too: what is received is what was stored.
    drop(broker);
    let broker = Broker::start(&address, folder.path());
    let received = rewire()
        .args(["receive", &broker.uri, "Q", "--idle-timeout", "2s", "--json"])
        .output()
        .unwrap();
    let received = json(&received);
    assert_eq!(received["received"], count, "{received}");
    for what in ["duplicates", "missing", "out_of_order"] {
        assert_eq!(received[what], 0, "{received}");
    }
}

#[test]
fn nothing_that_was_answered_is_lost_or_stored_twice_when_it_is_killed() {
    kill_while_sending("pipelined", 1200);
}

#[test]
fn a_full_disk_ends_a_broker_that_says_why_and_keeps_what_it_has_answered() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("sent.jsonl");
    // No file may grow past 10 MiB, and whoever tries hears of it as of a full disk.
    let limited = "trap '' XFSZ; ulimit -f 20480; exec \"$0\" \"$@\"";
    let mut broker = Broker::run(
        Command::new("sh")
            .args(["-c", limited, env!("CARGO_BIN_EXE_rewire")])
            .args(["broker", "--listen", "tcp://127.0.0.1:0", "--data"])
            .arg(folder.path())
            .stderr(Stdio::piped()),
    );
    let address = broker.uri.clone();
    let sent = rewire()
        .args(["send", &format!("failover:({address})?maxReconnectAttempts=1"), "Q"])
        .args(["--count", "20000", "--size", "4096", "--json", "--mode", "pipelined", "--log"])
        .arg(&log)
        .output()
        .unwrap();
    assert_eq!(sent.status.code(), Some(1));
    // Nobody knows whether it is stored: nothing is said to be refused.
    let said = json(&sent);
    assert!(said["in_doubt"].as_u64() > Some(0), "{said}");
    let mut why = String::new();
    broker.child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
    assert_eq!(broker.child.wait().unwrap().code(), Some(1), "{why}");
    assert!(why.contains("rewire: the store failed: "), "{why}");
    let confirmed: Vec<u64> = std::fs::read_to_string(&log)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|line| line["outcome"] == "confirmed")
        .map(|line| line["seq"].as_u64().unwrap())
        .collect();
    assert!(!confirmed.is_empty());
    drop(broker);
    let broker = Broker::start(&address, folder.path());
    let log = folder.path().join("received.jsonl");
    let received = rewire()
        .args(["receive", &broker.uri, "Q", "--idle-timeout", "2s", "--json", "--log"])
        .arg(&log)
        .output()
        .unwrap();
    assert_eq!(json(&received)["duplicates"], 0);
    let stored: std::collections::BTreeSet<u64> = std::fs::read_to_string(&log)
        .unwrap()
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap()
        })
        .collect();
    let lost: Vec<&u64> = confirmed.iter().filter(|seq| !stored.contains(seq)).collect();
    assert!(lost.is_empty(), "answered and not stored: {lost:?}");
}

#[test]
fn who_waits_for_each_answer_loses_nothing_either_when_it_is_killed() {
    kill_while_sending("sync", 120);
}

#[test]
fn a_broker_without_a_place_for_its_messages_is_refused() {
    let output = rewire().arg("broker").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_broker_is_what_its_file_says_and_its_flags_win() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broker.toml");
    let text = "name = 'filed'\ndata = 'store'\nlisten = 'tcp://127.0.0.1:0'\n\
                [[user]]\nname = 'app'\npassword = 'secret'\n\
                [[right]]\nqueue = 'OPEN'\nread = '*'\nwrite = '*'\nadmin = '*'\n";
    std::fs::write(&file, text).unwrap();
    let broker = Broker::run(rewire().args(["broker", "--config"]).arg(&file));
    assert!(folder.path().join("store").is_dir(), "the store is beside the file");
    let send = |queue: &str| {
        rewire()
            .args(["send", &broker.uri, queue, "hello", "--user", "app", "--password-env", "PW"])
            .env("PW", "secret")
            .output()
            .unwrap()
    };
    assert!(send("OPEN").status.success());
    let refused = send("SHUT");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("User app is not authorized to write to: queue://SHUT"), "{said}");

    std::fs::write(&file, "memory = true\nlisten = 'tcp://not-a-host.invalid:0'").unwrap();
    let flags = ["--listen", "tcp://127.0.0.1:0"];
    let broker = Broker::run(rewire().args(["broker", "--config"]).arg(&file).args(flags));
    assert!(broker.uri.starts_with("tcp://127.0.0.1:"));
}

#[test]
fn a_password_may_have_a_colon_and_what_is_wrong_is_said_without_any_password() {
    let users = ["--user", "app:open:sesame", "--listen", "tcp://127.0.0.1:0"];
    let broker = Broker::run(rewire().args(["broker", "--memory"]).args(users));
    let mut send = rewire();
    send.args(["send", &broker.uri, "Q", "hi", "--user", "app", "--password-env", "PW"]);
    assert!(send.env("PW", "open:sesame").output().unwrap().status.success());
    for (flag, value, expected) in [
        ("--user", "sesame", "--user: give a name and a password"),
        ("--user", ":sesame", "--user: give a name and a password"),
        ("--network-connector", "static:(tcp://b:1)&password=sesame", "after the brokers"),
        ("--network-connector", "static:(tcp://b:1)?pasword=sesame", "`pasword`"),
        ("--network-connector", "stattic:(tcp://b:1)?password=sesame", "\"stattic\""),
        ("--network-connector", "static:(tpc://u:sesame@b:1)?password=sesame", "`tpc`"),
        ("--network-connector", "static:(tcp://b:1)?password=sesame%4", "hexadecimal"),
        ("--network-connector", "static:(tcp://b:1?password=sesame", "bracket"),
    ] {
        let output = rewire().args(["broker", "--memory", flag, value]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(flag) && said.contains(expected), "{value}: {said}");
        assert!(!said.contains("sesame"), "{said}");
    }
}

#[test]
fn an_address_that_another_has_is_no_mistake_of_the_command_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let listen = format!("tcp://{address}");
    for flags in [
        ["--listen", &listen, "--name", "b"],
        ["--listen", "tcp://127.0.0.1:0", "--http", &address],
    ] {
        let output = rewire().args(["broker", "--memory"]).args(flags).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&address), "{said}");
    }
}

#[test]
fn a_file_that_is_wrong_is_refused_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broker.toml");
    std::fs::write(&file, "memory = true\nlimit = 5").unwrap();
    let output = rewire().args(["broker", "--config"]).arg(&file).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said.contains("broker.toml:2:1: there is no key `limit`: did you mean `limits`?"),
        "{said}"
    );
}

/// What `rewire broker --hash-password` makes of this input.
fn hash(input: &str) -> Output {
    let mut command = rewire();
    command.args(["broker", "--hash-password"]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_hash_of_a_password_lets_its_user_in_and_nobody_else() {
    let (hash, other) = (hash("secret\n"), hash("secret"));
    assert!(hash.status.success() && hash.stdout != other.stdout, "each has a salt of its own");
    let hash = String::from_utf8(hash.stdout).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broker.toml");
    let user = format!("[[user]]\nname = 'app'\npassword_hash = '{}'\n", hash.trim());
    std::fs::write(&file, format!("memory = true\nlisten = 'tcp://127.0.0.1:0'\n{user}")).unwrap();
    let broker = Broker::run(rewire().args(["broker", "--config"]).arg(&file));
    let send = |password: &str| {
        let mut command = rewire();
        command.args([
            "send",
            &broker.uri,
            "Q",
            "hello",
            "--user",
            "app",
            "--password-env",
            "WORD",
        ]);
        command.env("WORD", password).output().unwrap().status.code()
    };
    assert_eq!((send("secret"), send("Secret"), send(hash.trim())), (Some(0), Some(1), Some(1)));
}

#[test]
fn a_password_to_be_hashed_has_to_be_given_and_nothing_else() {
    let none = hash("");
    let said = String::from_utf8(none.stderr).unwrap();
    assert_eq!(none.status.code(), Some(2), "{said}");
    assert!(said.contains("--hash-password: give the password on standard input"), "{said}");
    let both = rewire().args(["broker", "--hash-password", "--memory"]).output().unwrap();
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn a_broker_warns_of_a_refused_login_and_does_not_show_the_password() {
    let mut command = rewire();
    command.args(["broker", "--memory", "--listen", "tcp://127.0.0.1:0", "--user", "app:secret"]);
    let mut broker = Broker::run(command.env_remove("RUST_LOG").stderr(Stdio::piped()));
    let mut sender = rewire();
    sender.args(["send", &broker.uri, "Q", "hello", "--user", "app", "--password-env", "WORD"]);
    assert_eq!(sender.env("WORD", "hunter2").output().unwrap().status.code(), Some(1));
    let mut said = String::new();
    BufReader::new(broker.child.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.contains("WARN") && said.contains("refused") && said.contains("app"), "{said}");
    assert!(!said.contains("hunter2") && !said.contains("secret"), "{said}");
}

#[test]
fn a_wish_for_logs_that_cannot_be_read_is_named_and_the_work_done() {
    let output =
        rewire().args(["uri", "tcp://a:1"]).env("RUST_LOG", "rewire=lots").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("RUST_LOG") && said.contains("rewire=lots"));
}
