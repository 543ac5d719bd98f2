//! What an application hears of its connection, and what it acknowledges of what it was handed.

use std::time::Duration;

use rand::RngExt;
use rewire_failover::core::{Completion, Incoming, LinkId};
use rewire_protocol::{Command, ConsumerId, MessageAck, MessageDispatch};

use super::{App, Purpose};
use crate::client::Submission;
use crate::client::consumer::{Consumer, Delivery, Settled};
use crate::seen::{AtClient, MessageKey};
use crate::world::{Ctx, Happening};

impl App {
    pub(crate) fn on_acks(&mut self, ctx: &mut Ctx, delivery: u64) {
        let Some(done) = self.deliveries.remove(&delivery) else { return };
        if self.is_over || self.consumer(&done.consumer).is_none() {
            return;
        }
        let (link, consumer) = (done.link, done.consumer.clone());
        // Some acknowledge even what they were told is gone.
        let keeps_quiet = ctx.rng.random_bool(if done.is_gone { 0.8 } else { self.work.gives_up });
        if keeps_quiet && !done.is_gone {
            self.see(ctx, AtClient::GivenUp { key: done.key });
        } else if !keeps_quiet {
            self.acknowledge(ctx, done);
        }
        let settled = self.consumer(&consumer).and_then(|known| known.put_down(link));
        self.settled(consumer.clone(), settled);
        self.hand_out(ctx, &consumer);
    }

    pub(super) fn acknowledge(&mut self, ctx: &mut Ctx, done: Delivery) {
        let ack = MessageAck {
            destination: done.destination,
            consumer_id: Some(done.consumer),
            ack_type: MessageAck::INDIVIDUAL,
            last_message_id: Some(done.message),
            message_count: 1,
            ..MessageAck::default()
        };
        let completion =
            if ctx.rng.random_bool(0.7) { Completion::Transmitted } else { Completion::Answered };
        let (link, purpose) = (Some(done.link), Purpose::Acknowledgement);
        let command = Box::new(ack.into());
        self.outbox.push(Submission::Request { command, completion, link, purpose });
    }

    /// A consumer may have settled: that is said after all it acknowledged.
    pub(super) fn settled(&mut self, consumer: ConsumerId, settled: Option<Settled>) {
        if let Some(Settled { link, last_delivered }) = settled {
            self.outbox.push(Submission::Settled { link, consumer, last_delivered });
        }
    }

    /// Hands out what there is, as long as there are hands.
    pub(super) fn hand_out(&mut self, ctx: &mut Ctx, consumer: &ConsumerId) {
        while let Some(delivery) = self.consumer(consumer).and_then(Consumer::take) {
            let Delivery { key, redelivered, .. } = delivery;
            self.see(ctx, AtClient::HandedOut { key, redelivered });
            let number = self.next_delivery;
            self.next_delivery += 1;
            self.deliveries.insert(number, delivery);
            let after = self.work.thinking.mul_f64(ctx.rng.random());
            ctx.later(after, Happening::Acks { client: self.client, delivery: number });
        }
    }

    pub(crate) fn on_incoming(&mut self, ctx: &mut Ctx, incoming: Incoming) {
        match incoming {
            Incoming::Command(link, Command::MessageDispatch(dispatch)) => {
                self.on_dispatch(ctx, link, dispatch);
            }
            Incoming::Command(_, Command::ConsumerControl(control)) if control.close => {
                if let Some(id) = &control.consumer_id {
                    self.has_no_consumer(id.session_id, id.value);
                }
            }
            Incoming::Leaving(link) => self.on_leaving(link),
            Incoming::Interrupted(gone) => {
                self.link = None;
                for session in self.sessions.values_mut() {
                    session.consumers.values_mut().for_each(Consumer::clear);
                }
                for delivery in self.deliveries.values_mut().filter(|one| one.link == gone) {
                    delivery.is_gone = true;
                }
            }
            Incoming::Resumed(link) => self.link = Some(link),
            Incoming::Refused { command, .. } => self.on_refused_again(ctx, &command),
            Incoming::Ended(_) => self.end(),
            _ => {}
        }
    }

    pub(super) fn on_dispatch(&mut self, ctx: &mut Ctx, link: LinkId, dispatch: MessageDispatch) {
        let (Some(consumer), Some(message)) = (dispatch.consumer_id, dispatch.message) else {
            return;
        };
        let Some(message) = message.message_id else { return };
        let Some(key) = MessageKey::of(&message) else { return };
        if let Some(open) = self.consumer(&consumer) {
            open.push(Delivery {
                link,
                consumer: consumer.clone(),
                destination: dispatch.destination,
                message,
                key,
                redelivered: dispatch.redelivery_counter,
                is_gone: false,
            });
            self.hand_out(ctx, &consumer);
        }
    }

    /// The link is going to be left: consumers say when they have settled what they have in their hands.
    pub(super) fn on_leaving(&mut self, link: LinkId) {
        let consumers: Vec<ConsumerId> = self
            .sessions
            .values()
            .flat_map(|open| open.consumers.keys().map(|consumer| open.id.consumer(*consumer)))
            .collect();
        for id in consumers {
            let settled = self.consumer(&id).and_then(|consumer| consumer.leave(link));
            self.settled(id, settled);
        }
    }

    /// What it had is refused by another broker.
    pub(super) fn on_refused_again(&mut self, ctx: &mut Ctx, command: &Command) {
        match command {
            Command::SessionInfo(info) => {
                if let Some(id) = &info.session_id {
                    self.lost_session(ctx, id.value);
                }
            }
            Command::ProducerInfo(info) => {
                if let Some(id) = &info.producer_id {
                    self.replace(ctx, id.session_id);
                }
            }
            Command::ConsumerInfo(info) => {
                if let Some(id) = &info.consumer_id {
                    self.replace(ctx, id.session_id);
                }
            }
            Command::DestinationInfo(_) => self.temporary.clear(),
            _ => {}
        }
    }

    /// There is no such session: nothing to remove, and another is opened in its place.
    pub(super) fn lost_session(&mut self, ctx: &mut Ctx, session: i64) {
        if self.sessions.remove(&session).is_some() {
            let after = Duration::from_millis(ctx.rng.random_range(0..400));
            ctx.later(after, Happening::OpensSession { client: self.client });
        }
    }

    pub(super) fn has_no_consumer(&mut self, session: i64, consumer: i64) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.consumers.remove(&consumer);
        }
    }
}
