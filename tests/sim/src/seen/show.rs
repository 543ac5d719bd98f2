//! What can be seen, in the words of a trace.

use std::fmt;

use rewire_failover::core::{Completion, Event, Incoming};
use rewire_protocol::Command;

use super::{AtBroker, AtClient, MessageKey, Seen};

impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(client, at) => write!(f, "c{client} {at}"),
            Self::Broker(broker, at) => write!(f, "          b{broker} {at}"),
            Self::Fault(fault) => write!(f, "-- {fault}"),
            Self::Healed => write!(f, "-- nothing goes wrong any more"),
            Self::MustBeWell => write!(f, "-- all has to be well"),
            Self::Compared { client, believed, known } => {
                write!(f, "-- c{client} has {believed:?}, its broker knows {known:?}")
            }
            Self::Reachable { client, addresses } => {
                write!(f, "-- c{client} finds a broker at {addresses:?}")
            }
            Self::End => write!(f, "-- the end"),
        }
    }
}

impl fmt::Display for AtClient<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Submitted { request, command, completion, link } => {
                let how = match completion {
                    Completion::Answered => "",
                    Completion::Transmitted => ", no answer wanted",
                };
                write!(f, "submits {request}: {}{how}", Brief(command))?;
                link.map_or(Ok(()), |link| write!(f, ", for {link} only"))
            }
            Self::Dialing { link, broker } => write!(f, "{link}: dials {broker}"),
            Self::Dialed { link, result: Ok(()) } => write!(f, "{link}: is there"),
            Self::Dialed { link, result: Err(error) } => write!(f, "{link}: {error}"),
            Self::Transmitted { link, command } => write!(f, "{link}: sends {}", Brief(command)),
            Self::Unsendable { link, number } => write!(f, "{link}: #{number} is too large"),
            Self::HungUp { link } => write!(f, "{link}: hangs up"),
            Self::Lost { link, reason } => write!(f, "{link}: lost, {reason}"),
            Self::Received { link, command } => write!(f, "{link}: hears {}", Brief(command)),
            Self::Delivered(incoming) => match incoming {
                Incoming::Command(link, command) => {
                    write!(f, "{link}: delivers {}", Brief(command))
                }
                Incoming::Leaving(link) => write!(f, "{link}: delivers that it is being left"),
                Incoming::Interrupted(link) => write!(f, "{link}: delivers that it is gone"),
                Incoming::Resumed(link) => write!(f, "{link}: delivers that it is there"),
                Incoming::Refused { command, cause } => {
                    write!(f, "delivers that {} was refused: {cause}", Brief(command))
                }
                other => write!(f, "delivers {other:?}"),
            },
            Self::Cleared { link } => write!(f, "{link}: is dealt with"),
            Self::Settled { link, consumer: (session, consumer), .. } => {
                write!(f, "{link}: consumer {session}:{consumer} has settled")
            }
            Self::HandedOut { key, redelivered } => {
                write!(f, "hands out {key}")?;
                if *redelivered > 0 { write!(f, " again, {redelivered}") } else { Ok(()) }
            }
            Self::GivenUp { key } => write!(f, "gives up {key}"),
            Self::Completed { request, outcome: Ok(_) } => write!(f, "completes {request}: done"),
            Self::Completed { request, outcome: Err(error) } => {
                write!(f, "completes {request}: {error}")
            }
            Self::Told(Event::Incident(incident)) => {
                write!(f, "tells of {}", incident.to_string().replace('\n', ";"))
            }
            Self::Told(event) => write!(f, "tells {event:?}"),
            Self::Closing => write!(f, "closes"),
            Self::Stale { link, what, outputs, .. } => {
                write!(f, "{link} is gone and speaks: {what}; out comes {outputs:?}")
            }
            Self::Waiting { open, .. } => write!(f, "has {open} waiting"),
        }
    }
}

impl fmt::Display for AtBroker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened { client, link } => write!(f, "takes c{client} {link}"),
            Self::Ended { client, link } => write!(f, "ends c{client} {link}"),
            Self::Heard { client, link, command } => {
                write!(f, "c{client} {link}: hears {}", Brief(command))
            }
            Self::Refused { client, link, number } => {
                write!(f, "c{client} {link}: refuses #{number}")
            }
            Self::Committed { client, transaction, messages, .. } => {
                write!(f, "commits transaction {transaction} of c{client}, {}", messages.len())
            }
            Self::Serves { store } => write!(f, "serves, on store {store}"),
            Self::Recovered { key, .. } => write!(f, "finds {key} on its store"),
            Self::Stored { key, persistent: true, .. } => write!(f, "stores {key}"),
            Self::Stored { key, persistent: false, .. } => write!(f, "keeps {key}"),
            Self::Dispatched { client, link, consumer: (session, value), key, number, beside } => {
                write!(f, "c{client} {link}: gives {key}, number {number}, to {session}:{value}")?;
                beside.map_or(Ok(()), |beside| write!(f, ", beside {beside:?}"))
            }
            Self::Known { key } => write!(f, "has {key} already"),
            Self::Vanished { key } => write!(f, "has {key} no more"),
            Self::Spins { due } => write!(f, "spins, for what is due at {due}"),
            Self::IsLeft { census, on_disk, persistent } => {
                write!(
                    f,
                    "has {persistent} persistent messages, {on_disk} on its store, {census:?}"
                )
            }
            Self::Forgotten { key } => write!(f, "forgets {key}"),
            Self::Consumed { key, by, .. } => write!(f, "is done with {key}, by c{by}"),
            Self::StrayAck { client, link } => {
                write!(f, "c{client} {link}: an acknowledgement of what was not dispatched")
            }
        }
    }
}

impl fmt::Display for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, session, producer, sequence } = self;
        write!(f, "c{client}:{session}:{producer}:{sequence}")
    }
}

/// A command in a few words.
struct Brief<'s>(&'s Command);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.name())?;
        if let Some(number) = self.0.correlation_id() {
            return write!(f, " of #{number}");
        }
        match self.0.command_id() {
            0 => {}
            number => write!(f, " #{number}")?,
        }
        if let Some(key) = MessageKey::of_command(self.0) {
            write!(f, " {key}")?;
        }
        match self.0 {
            Command::SessionInfo(info) => show(f, info.session_id.as_ref()),
            Command::ProducerInfo(info) => show(f, info.producer_id.as_ref()),
            Command::ConsumerInfo(info) => {
                show(f, info.consumer_id.as_ref())?;
                write!(f, ", {} at a time", info.prefetch_size)
            }
            Command::ConsumerControl(info) => {
                show(f, info.consumer_id.as_ref())?;
                write!(f, ", {} at a time", info.prefetch)
            }
            Command::ConnectionControl(control) => {
                if let Some(list) = &control.connected_brokers {
                    write!(f, " of {}", list.to_str())?;
                }
                if control.rebalance_connection {
                    write!(f, ", to be balanced")?;
                }
                if let Some(target) = &control.reconnect_to {
                    write!(f, ", to go to {}", target.to_str())?;
                }
                Ok(())
            }
            Command::TransactionInfo(info) => write!(f, ", step {}", info.transaction_type),
            Command::BrokerInfo(info) => match &info.broker_url {
                Some(url) => write!(f, " of {}", url.to_str()),
                None => Ok(()),
            },
            Command::RemoveInfo(info) => match info.object_id.as_deref() {
                Some(Command::SessionId(id)) => show(f, Some(id)),
                Some(Command::ProducerId(id)) => show(f, Some(id)),
                Some(Command::ConsumerId(id)) => show(f, Some(id)),
                _ => Ok(()),
            },
            Command::MessageDispatch(dispatch) if dispatch.redelivery_counter > 0 => {
                write!(f, " again, {}", dispatch.redelivery_counter)
            }
            _ => Ok(()),
        }
    }
}

fn show<T: fmt::Display>(f: &mut fmt::Formatter<'_>, id: Option<&T>) -> fmt::Result {
    id.map_or(Ok(()), |id| write!(f, " {id}"))
}
