//! What goes wrong in a world.

use std::fmt;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

use crate::agenda::Time;
use crate::network::Way;
use crate::plan::Plan;

/// Something that goes wrong, or is put right. Brokers, clients and names are given by their numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// A broker's process dies: what it had in memory is gone, its links are reset.
    Crash(usize),
    /// A broker's machine dies: nobody is told.
    PowerOff(usize),
    /// A broker stops in good order.
    Stop(usize),
    /// A broker runs again, on the same store.
    Restart(usize),
    /// A broker stands still, as under SIGSTOP.
    Pause(usize),
    /// It goes on.
    Resume(usize),
    /// All links between a client and a broker are reset.
    Reset(usize, usize),
    /// Nothing passes between a client and a broker: one way, or both.
    Partition(usize, usize, Option<Way>),
    /// Everything passes again, and what was held up comes.
    Mend(usize, usize),
    /// A broker answers this share of commands with an exception.
    Refuse(usize, f64),
    /// A broker refuses whoever connects, with this Java class.
    RefuseConnections(usize, &'static str),
    /// A broker takes everything again.
    Welcome(usize),
    /// Two names of brokers change places.
    Swap(usize, usize),
    /// A name has no address. The numbers after those of the brokers are their other addresses.
    Forget(usize),
    /// It has one again.
    Learn(usize),
    /// Dials to a broker hang.
    Hang(usize),
    /// They are taken again.
    Unhang(usize),
    /// What is large cannot be sent to a broker any more.
    Narrow(usize),
    /// It can again.
    Widen(usize),
    /// A broker closes a consumer of each client, as it does with slow ones.
    Evict(usize),
    /// A broker tells its clients that these are the brokers of the cluster.
    Announce(usize, Vec<usize>),
    /// It does so, and they are to go to the one named first, which is another for each of them.
    Rebalance(usize, Vec<usize>),
    /// A broker asks one of its clients, or all, to go to another broker.
    AskToMove(usize, Option<usize>, usize),
}

/// Java's name of the refusal of a password.
pub const SECURITY: &str = "javax.jms.JMSSecurityException";
/// Java's name of the refusal of a client id that is in use.
pub const CLIENT_ID: &str = "javax.jms.InvalidClientIDException";

/// Draws the faults of a world, in no order.
pub(crate) fn draw(rng: &mut SmallRng, plan: &Plan) -> Vec<(Time, Fault)> {
    let mut faults = Vec::new();
    let episodes = rng.random_range(0..12);
    for _ in 0..episodes {
        let begin = plan.heal_at.mul_f64(rng.random());
        // Most are short; some go over the keep-alive time-out.
        let most = if rng.random_bool(0.7) { 2_000 } else { 30_000 };
        let end = begin + Duration::from_millis(rng.random_range(1..most));
        episode(rng, plan, begin, end, &mut faults);
    }
    faults
}

fn episode(
    rng: &mut SmallRng,
    plan: &Plan,
    begin: Time,
    end: Time,
    faults: &mut Vec<(Time, Fault)>,
) {
    let broker = rng.random_range(0..plan.brokers.len());
    let other = rng.random_range(0..plan.brokers.len());
    let client = rng.random_range(0..plan.clients.len());
    let mut both = |first: Fault, second: Fault| faults.extend([(begin, first), (end, second)]);
    match rng.random_range(0..26) {
        0..=2 => both(Fault::Crash(broker), Fault::Restart(broker)),
        3..=4 => both(Fault::PowerOff(broker), Fault::Restart(broker)),
        5..=6 => both(Fault::Stop(broker), Fault::Restart(broker)),
        7 => both(Fault::Pause(broker), Fault::Resume(broker)),
        8..=10 => faults.push((begin, Fault::Reset(client, broker))),
        11..=13 => {
            let way = [None, Some(Way::Up), Some(Way::Down)][rng.random_range(0..3)];
            both(Fault::Partition(client, broker, way), Fault::Mend(client, broker));
            // With the link goes what was on its way: what was heard is not known to be.
            match rng.random_range(0..4) {
                0 => faults.push((end, Fault::Reset(client, broker))),
                1 => faults.push((begin + (end - begin) / 2, Fault::Reset(client, broker))),
                2 => {
                    faults.push((begin + (end - begin) / 2, Fault::Crash(broker)));
                    faults.push((end, Fault::Restart(broker)));
                }
                _ => {}
            }
        }
        14 => both(Fault::Refuse(broker, 0.2), Fault::Welcome(broker)),
        15 => {
            let class = if rng.random_bool(0.3) { SECURITY } else { CLIENT_ID };
            both(Fault::RefuseConnections(broker, class), Fault::Welcome(broker));
            faults.push((begin, Fault::Reset(client, broker)));
        }
        16 => faults.push((begin, Fault::Swap(broker, other))),
        17 => {
            let name = if rng.random_bool(0.5) { broker } else { plan.brokers.len() + broker };
            both(Fault::Forget(name), Fault::Learn(name));
        }
        18 => both(Fault::Hang(broker), Fault::Unhang(broker)),
        19..=22 => {
            let mut names: Vec<usize> = (0..plan.brokers.len()).collect();
            names.shuffle(rng);
            names.truncate(rng.random_range(0..=names.len()));
            let fault = if rng.random_bool(0.6) { Fault::Rebalance } else { Fault::Announce };
            faults.push((begin, fault(broker, names)));
        }
        23 | 24 => {
            let who = rng.random_bool(0.5).then_some(client);
            faults.push((begin, Fault::AskToMove(broker, who, other)));
        }
        _ if rng.random_bool(0.5) => both(Fault::Narrow(broker), Fault::Widen(broker)),
        _ => faults.push((begin, Fault::Evict(broker))),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash(broker) => write!(f, "b{broker} crashes"),
            Self::PowerOff(broker) => write!(f, "b{broker} loses power"),
            Self::Stop(broker) => write!(f, "b{broker} stops"),
            Self::Restart(broker) => write!(f, "b{broker} runs again"),
            Self::Pause(broker) => write!(f, "b{broker} stands still"),
            Self::Resume(broker) => write!(f, "b{broker} goes on"),
            Self::Reset(client, broker) => write!(f, "links c{client}-b{broker} are reset"),
            Self::Partition(client, broker, None) => write!(f, "c{client}-b{broker} parted"),
            Self::Partition(client, broker, Some(way)) => {
                write!(f, "c{client}-b{broker} parted, {way:?}")
            }
            Self::Mend(client, broker) => write!(f, "c{client}-b{broker} mended"),
            Self::Refuse(broker, share) => write!(f, "b{broker} refuses a share of {share}"),
            Self::RefuseConnections(broker, class) => {
                write!(f, "b{broker} refuses connections: {class}")
            }
            Self::Welcome(broker) => write!(f, "b{broker} refuses nothing"),
            Self::Swap(one, other) => write!(f, "broker{one} and broker{other} change names"),
            Self::Forget(name) => write!(f, "broker{name} does not resolve"),
            Self::Learn(name) => write!(f, "broker{name} resolves"),
            Self::Hang(broker) => write!(f, "dials to b{broker} hang"),
            Self::Unhang(broker) => write!(f, "dials to b{broker} are taken"),
            Self::Narrow(broker) => write!(f, "b{broker} takes no large frames"),
            Self::Widen(broker) => write!(f, "b{broker} takes large frames"),
            Self::Evict(broker) => write!(f, "b{broker} closes consumers"),
            Self::Announce(broker, names) => write!(f, "b{broker} announces {names:?}"),
            Self::Rebalance(broker, names) => {
                write!(f, "b{broker} announces {names:?}, to be balanced")
            }
            Self::AskToMove(broker, Some(client), other) => {
                write!(f, "b{broker} asks c{client} to go to broker{other}")
            }
            Self::AskToMove(broker, None, other) => {
                write!(f, "b{broker} asks all to go to broker{other}")
            }
        }
    }
}
