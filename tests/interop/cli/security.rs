//! A broker that lets only some in: the refusal is told, the password never.

use rewire_test_support::ActiveMq;

use super::{RUN, rewire};

const VARIABLE: &str = "REWIRE_TEST_PASSWORD";

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn a_wrong_password_fails_the_run_and_is_named_but_not_shown() {
    const WRONG: &str = "hunter2-is-not-it";
    let mut broker = ActiveMq::options().user("app", "right").start();
    for uri in [broker.uri(), format!("failover:({})", broker.uri())] {
        for json in [false, true] {
            let mut program = rewire("send", &uri, "queue://GUARDED")
                .args(["hello", "--user", "app", "--password-env", VARIABLE])
                .env(VARIABLE, WRONG);
            if json {
                program = program.arg("--json");
            }
            let finished = program.run(RUN);
            let said = format!("{}\n{}", finished.stdout().join("\n"), finished.stderr());
            assert_eq!(finished.code(), Some(1), "{uri}: {said}");
            assert_eq!(finished.stderr().lines().count(), 1, "{uri}: {said}");
            assert!(said.to_lowercase().contains("password"), "{uri}: {said}");
            assert!(!said.contains(WRONG), "{uri} shows the password");
        }
    }
    assert_eq!(broker.queue("GUARDED").enqueued, 0);
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn the_right_password_lets_in() {
    const RIGHT: &str = "let-me-in-7";
    let mut broker = ActiveMq::options().user("app", RIGHT).start();
    let finished = rewire("send", &broker.uri(), "queue://GUARDED")
        .args(["hello", "--user", "app", "--password-env", VARIABLE])
        .env(VARIABLE, RIGHT)
        .run(RUN)
        .success();
    assert!(!finished.stderr().contains(RIGHT), "{}", finished.stderr());
    assert_eq!(broker.queue("GUARDED").enqueued, 1);
}
