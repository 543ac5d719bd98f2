//! How a silent broker is asked for a sign of life: by a request that nobody else waits for the answer of.
//!
//! Not by a keep-alive that wants an answer. ActiveMQ answers that beside the lock of its other writes, and
//! while another thread flushes what both have in one buffer: bytes get lost, of one answer or between
//! two, and somebody waits for ever. Artemis does not answer it at all. A request is answered in
//! order with all else, also before there is a connection:
//!
//! - `FlushCommand` by ActiveMQ, of every version; it does nothing there but to be answered.
//! - `ConnectionControl` by Artemis, which refuses to flush, and says so each time in its log. It
//!   repeats what the broker was told last of the client's fault tolerance.

use crate::command::{Command, ConnectionControl, FlushCommand};

/// The number of each question, which no other command over a link may have.
pub const QUESTION_ID: i32 = i32::MIN;

/// What is known of how to ask a broker.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// Questions that are not answered; what came instead may have been sign enough.
    open: usize,
    /// Whether the broker does not like to be asked to flush.
    refuses_to_flush: bool,
    /// What the broker was told last.
    fault_tolerant: bool,
    /// How many commands were sent, questions aside.
    sent: u64,
    /// How many of them the broker has handled for certain.
    handled: u64,
    /// How many were sent before the last question.
    asked_behind: u64,
    /// The number of the last one, if it wants an answer.
    last_number: Option<i32>,
}

impl Asking {
    /// Takes note of what is sent.
    pub(super) fn on_sent(&mut self, command: &Command) {
        if matches!(command, Command::KeepAliveInfo(_)) || command.command_id() == QUESTION_ID {
            return;
        }
        self.sent += 1;
        self.last_number = command.is_response_required().then(|| command.command_id());
        match command {
            Command::ConnectionInfo(info) => self.fault_tolerant = info.fault_tolerant,
            Command::ConnectionControl(control) => self.fault_tolerant = control.fault_tolerant,
            _ => {}
        }
    }

    /// The question to be sent.
    pub(super) fn ask(&mut self) -> Command {
        self.open += 1;
        self.asked_behind = self.sent;
        if self.refuses_to_flush {
            let control = ConnectionControl {
                command_id: QUESTION_ID,
                response_required: true,
                fault_tolerant: self.fault_tolerant,
                ..ConnectionControl::default()
            };
            return control.into();
        }
        FlushCommand { command_id: QUESTION_ID, response_required: true }.into()
    }

    /// Whether there is something that the broker may still be busy with: it handles one after the other.
    pub(super) const fn may_be_busy(&self) -> bool {
        self.handled < self.sent
    }

    /// Whether this is the answer to a question, and so not for the owner of the link.
    pub(super) fn is_answer(&mut self, command: &Command) -> bool {
        let (number, is_refusal) = match command {
            Command::Response(response) => (response.correlation_id, false),
            Command::ExceptionResponse(refusal) => (refusal.correlation_id, true),
            _ => return false,
        };
        if number != QUESTION_ID || self.open == 0 {
            if self.last_number == Some(number) {
                self.handled = self.sent;
            }
            return false;
        }
        self.open -= 1;
        // Answers come in the order of the questions.
        if self.open == 0 {
            self.handled = self.handled.max(self.asked_behind);
        }
        self.refuses_to_flush |= is_refusal;
        true
    }
}
