//! Children of the shell, which every machine that runs these tests has.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};

use super::Running;
use crate::wait::eventually;

const SOON: Duration = Duration::from_secs(20);

fn shell(script: &str) -> Running {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    Running::start("the shell", command)
}

fn exists(pid: u32) -> bool {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a process id is small"));
    test_kill_process(pid.expect("a process id is not zero")).is_ok()
}

#[test]
fn a_child_is_read_line_by_line() {
    let mut child = shell("echo one; echo two");
    assert_eq!(child.line(SOON).as_deref(), Some("one"));
    assert_eq!(child.line(SOON).as_deref(), Some("two"));
    assert_eq!(child.line(SOON), None);
}

#[test]
fn a_child_answers_what_it_is_asked() {
    let mut child = shell(r#"while read line; do echo "noise"; echo "{\"$line\":1}"; done"#);
    child.say("first");
    assert_eq!(child.json_with("first", SOON)["first"], 1);
    child.feed(String::new());
    assert_eq!(child.finish(SOON).success().code(), Some(0));
}

#[test]
fn the_end_of_a_child_tells_its_code_and_all_it_said() {
    let mut child = shell(r#"cat; echo "{\"a\":1}"; echo "{\"a\":2}"; echo wrong >&2; exit 3"#);
    child.feed("fed\n".to_owned());
    let finished = child.finish(SOON);
    assert_eq!(finished.code(), Some(3));
    assert_eq!(finished.stdout()[0], "fed");
    assert_eq!(finished.json().len(), 2);
    assert_eq!(finished.last_json()["a"], 2);
    assert_eq!(finished.stderr(), "wrong\n");
}

#[test]
#[should_panic(expected = "because")]
fn a_failure_that_was_not_expected_panics_with_what_the_child_said() {
    let _never = shell("echo because >&2; exit 1").finish(SOON).success();
}

#[test]
fn a_child_does_not_outlive_a_panic() {
    let child = shell("exec cat");
    let pid = child.pid();
    assert!(exists(pid));
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _held = child;
        panic!("as a failing test does");
    }));
    assert!(panicked.is_err());
    assert!(!exists(pid));
}

#[test]
fn a_child_that_says_nothing_is_ended_at_the_deadline() {
    let mut child = shell("exec cat");
    let pid = child.pid();
    let panicked = catch_unwind(AssertUnwindSafe(|| child.line(Duration::from_millis(1))));
    assert!(panicked.is_err());
    assert!(!exists(pid));
}

#[test]
fn a_paused_child_answers_only_once_resumed_and_can_be_killed_while_paused() {
    let mut child = shell("exec cat");
    child.pause();
    let stat = format!("/proc/{}/stat", child.pid());
    eventually(SOON, "the child is stopped", || {
        std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T "))
    });
    child.resume();
    child.say("again");
    assert_eq!(child.line(SOON).as_deref(), Some("again"));
    child.pause();
    child.kill();
    assert!(!child.is_running());
}

#[test]
fn more_output_than_is_kept_does_not_block_the_end() {
    let finished = shell("yes | head -n 5000; yes | head -c 3000000 >&2").finish(SOON);
    assert_eq!(finished.stdout().len(), 5000);
    assert_eq!(finished.stderr().len(), super::STDERR_BYTES);
}
