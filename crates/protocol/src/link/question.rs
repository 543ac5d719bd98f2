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
}

impl Asking {
    /// Takes note of what is sent.
    pub(super) const fn on_sent(&mut self, command: &Command) {
        match command {
            Command::ConnectionInfo(info) => self.fault_tolerant = info.fault_tolerant,
            Command::ConnectionControl(control) => self.fault_tolerant = control.fault_tolerant,
            _ => {}
        }
    }

    /// The question to be sent.
    pub(super) fn ask(&mut self) -> Command {
        self.open += 1;
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

    /// Whether this is the answer to a question, and so not for the owner of the link.
    pub(super) fn is_answer(&mut self, command: &Command) -> bool {
        let (number, is_refusal) = match command {
            Command::Response(response) => (response.correlation_id, false),
            Command::ExceptionResponse(refusal) => (refusal.correlation_id, true),
            _ => return false,
        };
        if number != QUESTION_ID || self.open == 0 {
            return false;
        }
        self.open -= 1;
        self.refuses_to_flush |= is_refusal;
        true
    }
}
