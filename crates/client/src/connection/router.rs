//! The one task that knows which consumer a dispatch is for.
//!
//! It never waits for a consumer: a consumer's buffer has room for all that the broker may send it, and
//! one that is sent more ends with an error.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rewire_failover::core::{Incoming, LinkId};
use rewire_failover::transport::Deliveries;
use rewire_protocol::{
    Command, ConsumerControl, ConsumerId, Destination, MessageDispatch, ProducerId,
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::connection::NONE_DELIVERED;
use crate::consumer::buffer::{Buffer, Dispatched};
use crate::consumer::hands::Settled;
use crate::error::{Error, ErrorKind};
use crate::producer::window::Window;

/// A consumer comes or goes.
#[derive(Debug)]
pub(crate) enum RouteChange {
    /// It is about to be declared.
    Add(ConsumerId, Arc<Buffer>),
    /// It is no longer there.
    Remove(ConsumerId),
    /// A producer may only be so far ahead of the broker.
    AddProducer(ProducerId, Arc<Window>),
    /// It is no longer there.
    RemoveProducer(ProducerId),
    /// Consumers hand out nothing more, and are told of to whoever asks.
    Drain(oneshot::Sender<Vec<Arc<Buffer>>>),
    /// Says when those of the consumers of this destination are gone that were dropped.
    Dropped(Destination, oneshot::Sender<()>),
    /// Asks which consumers handed out what last.
    LastDelivered(oneshot::Sender<Vec<(ConsumerId, i64)>>),
}

pub(super) struct Router {
    deliveries: Deliveries,
    changes: mpsc::Receiver<RouteChange>,
    link: watch::Sender<Option<LinkId>>,
    consumers: HashMap<ConsumerId, Arc<Buffer>>,
    producers: HashMap<ProducerId, Arc<Window>>,
    /// Who waits for which consumers to be gone: temporary destinations that are to end.
    waiting: Vec<(HashSet<ConsumerId>, oneshot::Sender<()>)>,
    /// Whether consumers hand out nothing more.
    is_draining: bool,
}

impl Router {
    pub(super) fn new(
        deliveries: Deliveries,
        changes: mpsc::Receiver<RouteChange>,
        link: watch::Sender<Option<LinkId>>,
    ) -> Self {
        let (consumers, producers) = (HashMap::new(), HashMap::new());
        let waiting = Vec::new();
        Self { deliveries, changes, link, consumers, producers, waiting, is_draining: false }
    }

    /// Runs until the transport has ended and said so to every consumer.
    pub(super) async fn run(mut self) {
        loop {
            tokio::select! {
                Some(change) = self.changes.recv() => self.change(change),
                incoming = self.deliveries.next() => {
                    let Some(incoming) = incoming else { return };
                    self.on_incoming(incoming);
                    while let Some(incoming) = self.deliveries.try_next() {
                        self.on_incoming(incoming);
                    }
                }
            }
        }
    }

    fn change(&mut self, change: RouteChange) {
        match change {
            RouteChange::Add(id, buffer) => {
                if self.is_draining {
                    buffer.drain();
                }
                self.consumers.insert(id, buffer);
            }
            RouteChange::Remove(id) => {
                self.consumers.remove(&id);
                self.waiting.iter_mut().for_each(|(consumers, _)| {
                    consumers.remove(&id);
                });
                self.answer_who_waits();
            }
            RouteChange::AddProducer(id, window) => {
                self.producers.insert(id, window);
            }
            RouteChange::RemoveProducer(id) => {
                self.producers.remove(&id);
            }
            RouteChange::Drain(answer) => {
                self.is_draining = true;
                self.consumers.values().for_each(|buffer| buffer.drain());
                // Whoever asked may have gone.
                let _ = answer.send(self.consumers.values().cloned().collect());
            }
            RouteChange::Dropped(from, done) => {
                let of_it =
                    |buffer: &Buffer| buffer.is_abandoned() && *buffer.destination() == from;
                let dropped = self.consumers.iter().filter(|(_, buffer)| of_it(buffer));
                self.waiting.push((dropped.map(|(id, _)| id.clone()).collect(), done));
                self.answer_who_waits();
            }
            RouteChange::LastDelivered(answer) => {
                let all = self.consumers.iter();
                let all = all.map(|(id, buffer)| (id.clone(), buffer.hands.last_delivered()));
                // Whoever asked may have gone.
                let _ = answer.send(all.filter(|(_, last)| *last != NONE_DELIVERED).collect());
            }
        }
    }

    fn answer_who_waits(&mut self) {
        for (_, done) in self.waiting.extract_if(.., |(consumers, _)| consumers.is_empty()) {
            // Whoever asked may have gone.
            let _ = done.send(());
        }
    }

    fn on_incoming(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Command(link, Command::MessageDispatch(dispatch)) => {
                self.on_dispatch(link, dispatch);
            }
            Incoming::Command(_, Command::ConsumerControl(control)) => self.on_control(&control),
            Incoming::Command(_, Command::ProducerAck(ack)) => {
                self.take_in_changes();
                let window = ack.producer_id.as_ref().and_then(|id| self.producers.get(id));
                if let Some(window) = window {
                    window.on_ack(ack.size);
                }
            }
            Incoming::Command(_, Command::ConnectionError(error)) => {
                let cause = error.exception.map_or_else(String::new, |cause| cause.to_string());
                tracing::warn!(%cause, "the broker reports an error that no request asked for");
            }
            Incoming::Command(_, other) => {
                tracing::trace!(command = other.name(), "not for a consumer");
            }
            Incoming::Leaving(link) => {
                self.take_in_changes();
                for (id, buffer) in &self.consumers {
                    if let Some(Settled { link, last_delivered }) = buffer.leave(link) {
                        let settled = self.deliveries.settled(link, id.clone(), last_delivered);
                        // The transport may have no room for it, and the router never waits.
                        tokio::spawn(settled);
                    }
                }
            }
            Incoming::Interrupted(_) => {
                self.link.send_replace(None);
                // It comes again: to keep it would be to hand it out twice.
                self.take_in_changes();
                self.consumers.values().for_each(|buffer| buffer.empty());
                self.producers.values().for_each(|window| window.clear());
            }
            Incoming::Resumed(link) => {
                self.link.send_replace(Some(link));
            }
            Incoming::Refused { command: Command::ConsumerInfo(info), cause } => {
                if let Some(id) = &info.consumer_id {
                    self.end(id, Error::refused("the consumer, after a failover", cause));
                }
            }
            Incoming::Refused { command, cause } => {
                tracing::warn!(command = command.name(), %cause, "refused after a failover");
            }
            Incoming::Ended(reason) => {
                self.link.send_replace(None);
                self.take_in_changes();
                self.changes.close();
                self.producers.values().for_each(|window| window.clear());
                for buffer in self.consumers.values() {
                    buffer.end(Some(Error::ended(&reason)));
                }
            }
            _ => {}
        }
    }

    fn on_dispatch(&mut self, link: LinkId, dispatch: MessageDispatch) {
        let Some(id) = &dispatch.consumer_id else { return };
        if !self.consumers.contains_key(id) {
            // It may have been added since.
            self.take_in_changes();
        }
        let Some(buffer) = self.consumers.get(id) else {
            tracing::debug!(consumer = %id, "dispatched to a consumer that is gone");
            return;
        };
        let Some(message) = dispatch.message else {
            buffer.on_empty_dispatch();
            return;
        };
        let counter = dispatch.redelivery_counter.max(message.redelivery_counter);
        let (number, is_again) = (0, false);
        let dispatched =
            Dispatched { link, message, redelivery_counter: counter, number, is_again };
        if !buffer.push(dispatched) {
            let problem = "the broker sent more than the prefetch allows";
            let id = id.clone();
            self.end(&id, Error::new(ErrorKind::Protocol, problem));
        }
    }

    fn on_control(&mut self, control: &ConsumerControl) {
        let Some(id) = &control.consumer_id else { return };
        if control.close {
            self.end(id, Error::new(ErrorKind::Closed, "the broker closed the consumer"));
        } else if let (Some(buffer), Ok(prefetch)) =
            (self.consumers.get(id), u32::try_from(control.prefetch))
        {
            buffer.set_prefetch(prefetch);
        }
    }

    fn end(&mut self, id: &ConsumerId, error: Error) {
        self.take_in_changes();
        if let Some(buffer) = self.consumers.remove(id) {
            buffer.end(Some(error));
        }
    }

    fn take_in_changes(&mut self) {
        while let Ok(change) = self.changes.try_recv() {
            self.change(change);
        }
    }
}
