//! Links that are gone and speak all the same.

use rand::RngExt;
use rewire_failover::LostReason;
use rewire_failover::core::{DialTimes, Greeting, Input, LinkId};
use rewire_protocol::{ConnectionControl, ConsumerControl, ExceptionResponse, Response, Throwable};

use super::{Client, too_large};
use crate::seen::AtClient;
use crate::world::Ctx;

impl Client {
    /// A link that is gone says something, with the numbers and names that would do harm.
    pub(crate) fn haunt(&mut self, ctx: &mut Ctx, link: LinkId) {
        let numbers = self.numbers.len();
        if self.links.contains_key(&link) || self.dialing.contains_key(&link) || numbers == 0 {
            return;
        }
        let number = self.numbers[ctx.rng.random_range(0..numbers)];
        let (what, input) = match ctx.rng.random_range(0..9) {
            0 | 1 => {
                let response = Response { correlation_id: number, ..Response::default() };
                ("an answer", Input::Received(link, response.into()))
            }
            2 => {
                let exception = Some(Box::new(Throwable::new("java.lang.Exception", "late")));
                let response = ExceptionResponse {
                    correlation_id: number,
                    exception,
                    ..ExceptionResponse::default()
                };
                ("a refusal", Input::Received(link, response.into()))
            }
            3 => {
                let consumer_id = self.app.some_consumer();
                let close = ConsumerControl { close: true, consumer_id, ..Default::default() };
                ("that a consumer is closed", Input::Received(link, close.into()))
            }
            4 => ("that it is lost", Input::Lost(link, LostReason::Closed)),
            5 => (
                "that it is there",
                Input::Dialed(link, Ok(Greeting::default()), DialTimes::default()),
            ),
            6 => {
                let Some(consumer) = self.app.some_consumer() else { return };
                let settled = Input::Settled { link, consumer, last_delivered_sequence_id: 1 };
                ("that a consumer has settled", settled)
            }
            7 => {
                let control = ConnectionControl {
                    connected_brokers: Some("tcp://nowhere:1".into()),
                    rebalance_connection: true,
                    reconnect_to: Some("tcp://nowhere:1".into()),
                    ..ConnectionControl::default()
                };
                ("whom to go to", Input::Received(link, control.into()))
            }
            _ => ("that #.. cannot be sent", Input::Unsendable(link, number, too_large())),
        };
        self.speak_dead(ctx, link, what, input);
    }

    pub(super) fn speak_dead(
        &mut self,
        ctx: &mut Ctx,
        link: LinkId,
        what: &'static str,
        input: Input,
    ) {
        let due = self.core.poll_timeout();
        // What is due comes first, and is not what this is about.
        if due.is_some_and(|due| ctx.time(due) <= ctx.now) {
            return;
        }
        let outputs = self.core.handle(ctx.instant(), input);
        let outputs: Vec<String> = outputs.map(|output| format!("{output:?}")).collect();
        let is_due_changed = self.core.poll_timeout() != due;
        self.see(ctx, AtClient::Stale { link, what, outputs, is_due_changed });
    }
}
