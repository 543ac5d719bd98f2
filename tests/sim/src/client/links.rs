//! The links of a client: what its network tells it of them.

use rand::RngExt;
use rewire_failover::core::{DialTimes, Greeting, Input, LinkId};
use rewire_failover::{DialError, LostReason};
use rewire_protocol::SilenceLimit;

use super::Client;
use crate::agenda::Time;
use crate::network::{Parcel, Way};
use crate::seen::AtClient;
use crate::world::{Ctx, Happening, NoAnswer};

impl Client {
    pub(crate) fn dial_deadline(&self, link: LinkId) -> Option<Time> {
        self.dialing.get(&link).map(|dial| dial.deadline)
    }

    pub(crate) fn answered(&mut self, link: LinkId, wire: usize) {
        if let Some(dial) = self.dialing.get_mut(&link) {
            dial.wire = Some(wire);
        }
    }

    pub(crate) fn undialed(&mut self, ctx: &mut Ctx, link: LinkId, why: NoAnswer) {
        let error = match why {
            NoAnswer::Unknown => DialError::Resolve("no such host".to_owned()),
            NoAnswer::Refused => DialError::Connect("refused".to_owned()),
            NoAnswer::TimedOut => DialError::TimedOut(ctx.net.plan().dial_timeout),
        };
        self.dial_failed(ctx, link, error);
    }

    pub(super) fn dial_failed(&mut self, ctx: &mut Ctx, link: LinkId, error: DialError) {
        self.catch_up(ctx);
        let Some(dial) = self.dialing.remove(&link) else { return };
        if let Some(wire) = dial.wire {
            self.hang_up(ctx, wire);
        }
        self.see(ctx, AtClient::Dialed { link, result: Err(&error) });
        self.happen(ctx, Input::Dialed(link, Err(error), DialTimes::default()));
    }

    pub(crate) fn arrive(&mut self, ctx: &mut Ctx, wire: usize, parcel: Parcel) {
        self.catch_up(ctx);
        let link = ctx.net.wires[wire].link;
        ctx.net.wires[wire].client_end.heard = ctx.now;
        match parcel {
            Parcel::KeepAlive => {}
            Parcel::Opened => {
                if self.dialing.remove(&link).is_some() {
                    self.links.insert(link, wire);
                    self.see(ctx, AtClient::Dialed { link, result: Ok(()) });
                    self.happen(
                        ctx,
                        Input::Dialed(link, Ok(Greeting::default()), DialTimes::default()),
                    );
                }
            }
            Parcel::Fin if self.dialing.contains_key(&link) => {
                let error = DialError::Handshake("the broker closed the connection".to_owned());
                self.dial_failed(ctx, link, error);
            }
            Parcel::Frame(_) | Parcel::Fin if self.is_napping => {
                self.unread.push_back((wire, parcel));
            }
            Parcel::Frame(_) | Parcel::Fin => self.read(ctx, wire, parcel),
        }
    }

    /// Lets the core do what is due before it hears of anything else, so that each can be seen apart.
    pub(super) fn catch_up(&mut self, ctx: &mut Ctx) {
        if self.core.poll_timeout().is_some_and(|due| ctx.time(due) <= ctx.now) {
            self.input(ctx, Input::Timeout);
        }
    }

    pub(super) fn read(&mut self, ctx: &mut Ctx, wire: usize, parcel: Parcel) {
        self.catch_up(ctx);
        let link = ctx.net.wires[wire].link;
        let is_open = self.links.contains_key(&link);
        match parcel {
            Parcel::Frame(command) if is_open => {
                self.see(ctx, AtClient::Received { link, command: &command });
                self.happen(ctx, Input::Received(link, (*command).clone()));
            }
            Parcel::Frame(command) if self.late_frames => {
                let late = Input::Received(link, (*command).clone());
                self.speak_dead(ctx, link, "a late frame", late);
            }
            Parcel::Fin if is_open => self.lose(ctx, wire, LostReason::Closed),
            Parcel::Frame(_) | Parcel::Fin | Parcel::Opened | Parcel::KeepAlive => {}
        }
    }

    pub(super) fn lose(&mut self, ctx: &mut Ctx, wire: usize, reason: LostReason) {
        self.catch_up(ctx);
        let link = ctx.net.wires[wire].link;
        if self.links.remove(&link).is_some() {
            self.hang_up(ctx, wire);
            self.see(ctx, AtClient::Lost { link, reason: &reason });
            self.happen(ctx, Input::Lost(link, reason));
        }
    }

    pub(crate) fn silent(&mut self, ctx: &mut Ctx, wire: usize) {
        let silence = ctx.net.plan().silence;
        let limit = SilenceLimit::MaxInactivityDuration;
        self.lose(ctx, wire, LostReason::Silent { silence, limit });
    }

    pub(crate) fn reset(&mut self, ctx: &mut Ctx, wire: usize) {
        let link = ctx.net.wires[wire].link;
        if self.dialing.contains_key(&link) {
            self.dial_failed(ctx, link, DialError::Handshake("reset".to_owned()));
        } else {
            self.lose(ctx, wire, LostReason::Io("connection reset by peer".to_owned()));
        }
    }

    /// Closes this end of a wire; what was sent before still goes.
    pub(super) fn hang_up(&self, ctx: &mut Ctx, wire: usize) {
        ctx.net.wires[wire].client_end.is_open = false;
        ctx.send(wire, Way::Up, Parcel::Fin);
        let link = ctx.net.wires[wire].link;
        for _ in 0..ctx.rng.random_range(0..3) {
            let after = ctx.net.plan().silence.mul_f64(ctx.rng.random());
            ctx.later(after, Happening::Haunts { client: self.number, link });
        }
    }
}
