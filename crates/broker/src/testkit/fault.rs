//! `Fault`: something that goes wrong with a network, as a value and as a line of text.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the broker: `to-broker`.
    ToBroker,
    /// From the broker to the client: `to-client`.
    ToClient,
    /// Both: `both`.
    #[default]
    Both,
}

/// Something that goes wrong with a network, or is put right.
///
/// As text it is a word, its value if it has one, and the direction if it is not both:
///
/// ```
/// use std::time::Duration;
/// use rewire_broker::testkit::{Direction, Fault};
///
/// let fault: Fault = "delay 200ms to-client".parse()?;
/// assert_eq!(fault, Fault::Delay(Direction::ToClient, Duration::from_millis(200)));
/// # Ok::<(), rewire_broker::testkit::FaultError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// `delay 200ms`: what goes this way comes so much later.
    Delay(Direction, Duration),
    /// `throttle 10000`: so many bytes a second go this way, on each connection.
    Throttle(Direction, u64),
    /// `cut-after 500`: each connection is reset once so many bytes were forwarded this way, counted from
    /// its beginning.
    CutAfter(Direction, u64),
    /// `black-hole`: nothing is forwarded this way and nothing is closed, as when a route is lost. What came
    /// and was not forwarded yet waits for `clear`.
    BlackHole(Direction),
    /// `half-close to-client`: one end of every open connection hears that no more comes (FIN); the other way
    /// goes on.
    HalfClose(Direction),
    /// `reset`: every open connection is reset, both ends (RST).
    Reset,
    /// `refuse`: connections are refused, as by a machine without the broker. Open ones go on.
    Refuse,
    /// `accept`: they are taken again.
    Accept,
    /// `drop-reply 2`: the next answers of the broker, so many, do not come; the connections go on.
    DropReply(u64),
    /// `cut-reply`: in place of the next answers of the broker, so many, their connections are reset.
    CutReply(u64),
    /// `to tcp://host:port`: connections made from now on go to this broker.
    To(String),
    /// `clear`: ends delays, throttles, cuts, black holes, refusals, and replies still to be dropped. What was
    /// closed stays closed.
    Clear,
}

/// Why a line of text is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FaultError(String);

/// The word of each fault, with what has to follow.
const WORDS: [(&str, &str); 12] = [
    ("delay", "a time: delay 200ms"),
    ("throttle", "bytes a second: throttle 10000"),
    ("cut-after", "a number of bytes: cut-after 500"),
    ("black-hole", ""),
    ("half-close", ""),
    ("reset", ""),
    ("refuse", ""),
    ("accept", ""),
    ("drop-reply", "a number of replies, or nothing for one"),
    ("cut-reply", "a number of replies, or nothing for one"),
    ("to", "an address: to tcp://127.0.0.1:61616"),
    ("clear", ""),
];

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let mut line = Line::new(text)?;
        let fault = match line.word {
            "delay" => {
                let value = line.value()?;
                let delay = time(value).ok_or_else(|| line.bad(value))?;
                Self::Delay(line.direction()?, delay)
            }
            "throttle" => {
                let rate = line.number()?;
                Self::Throttle(line.direction()?, rate)
            }
            "cut-after" => {
                let bytes = line.number()?;
                Self::CutAfter(line.direction()?, bytes)
            }
            "black-hole" => Self::BlackHole(line.direction()?),
            "half-close" => Self::HalfClose(line.direction()?),
            "reset" => Self::Reset,
            "refuse" => Self::Refuse,
            "accept" => Self::Accept,
            "drop-reply" => Self::DropReply(line.count()?),
            "cut-reply" => Self::CutReply(line.count()?),
            "to" => {
                let target = line.value()?;
                target_of(target)
                    .map_err(|problem| FaultError(format!("to {target}: {problem}")))?;
                Self::To(target.to_owned())
            }
            _ => Self::Clear,
        };
        line.end()?;
        Ok(fault)
    }
}

/// A line that begins with a word that is known.
struct Line<'t> {
    word: &'t str,
    needs: &'static str,
    rest: std::str::SplitWhitespace<'t>,
}

impl<'t> Line<'t> {
    fn new(text: &'t str) -> Result<Self, FaultError> {
        let mut rest = text.split_whitespace();
        let word = rest.next().unwrap_or_default();
        match WORDS.iter().find(|(known, _)| *known == word) {
            Some((_, needs)) => Ok(Self { word, needs, rest }),
            None => Err(FaultError(unknown("fault", word, WORDS.iter().map(|(known, _)| *known)))),
        }
    }

    fn value(&mut self) -> Result<&'t str, FaultError> {
        let Self { word, needs, rest } = self;
        rest.next().ok_or_else(|| FaultError(format!("{word} needs {needs}")))
    }

    fn bad(&self, value: &str) -> FaultError {
        FaultError(format!("{} {value}: it needs {}", self.word, self.needs))
    }

    /// A number of at least one.
    fn number(&mut self) -> Result<u64, FaultError> {
        let value = self.value()?;
        value.parse().ok().filter(|number| *number > 0).ok_or_else(|| self.bad(value))
    }

    fn count(&mut self) -> Result<u64, FaultError> {
        if self.rest.clone().next().is_none() { Ok(1) } else { self.number() }
    }

    fn direction(&mut self) -> Result<Direction, FaultError> {
        self.rest.next().map_or(Ok(Direction::Both), str::parse)
    }

    fn end(mut self) -> Result<(), FaultError> {
        match self.rest.next() {
            None => Ok(()),
            Some(more) => Err(FaultError(format!("{}: nothing is known of {more:?}", self.word))),
        }
    }
}

impl FromStr for Direction {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        match text {
            "to-broker" => Ok(Self::ToBroker),
            "to-client" => Ok(Self::ToClient),
            "both" => Ok(Self::Both),
            _ => {
                let known = ["to-broker", "to-client", "both"];
                Err(FaultError(unknown("direction", text, known.into_iter())))
            }
        }
    }
}

fn unknown<'k>(what: &str, word: &str, known: impl Iterator<Item = &'k str> + Clone) -> String {
    let near = known.clone().min_by_key(|known| distance(known, word));
    match near.filter(|near| distance(near, word) <= near.len() / 2) {
        Some(near) => format!("there is no {what} {word:?}: {near}?"),
        None => {
            let known: Vec<&str> = known.collect();
            format!("there is no {what} {word:?}: one of {}", known.join(", "))
        }
    }
}

/// How many letters have to be changed, added or left out.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (line, a) in one.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], line + 1);
        for (column, b) in other.chars().enumerate() {
            let change = corner + usize::from(a != b);
            corner = row[column + 1];
            row[column + 1] = change.min(corner + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Reads `500ms`, `5s` or `2m`.
fn time(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let ms_each = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(ms_each).map(Duration::from_millis)
}

/// The host and port of `tcp://host:port`.
pub(super) fn target_of(uri: &str) -> Result<&str, &'static str> {
    let address = uri.strip_prefix("tcp://").ok_or("only tcp://host:port can be forwarded to")?;
    let (host, port) = address.rsplit_once(':').ok_or("it has no port")?;
    if host.is_empty() {
        return Err("it has no host");
    }
    match port.parse::<u16>() {
        Ok(0) | Err(_) => Err("its port is none"),
        Ok(_) => Ok(address),
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ToBroker => "to-broker",
            Self::ToClient => "to-client",
            Self::Both => "both",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delay(direction, delay) => write!(f, "delay {}ms {direction}", delay.as_millis()),
            Self::Throttle(direction, rate) => write!(f, "throttle {rate} {direction}"),
            Self::CutAfter(direction, bytes) => write!(f, "cut-after {bytes} {direction}"),
            Self::BlackHole(direction) => write!(f, "black-hole {direction}"),
            Self::HalfClose(direction) => write!(f, "half-close {direction}"),
            Self::Reset => write!(f, "reset"),
            Self::Refuse => write!(f, "refuse"),
            Self::Accept => write!(f, "accept"),
            Self::DropReply(count) => write!(f, "drop-reply {count}"),
            Self::CutReply(count) => write!(f, "cut-reply {count}"),
            Self::To(target) => write!(f, "to {target}"),
            Self::Clear => write!(f, "clear"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_as_it_is_written() {
        let faults = [
            Fault::Delay(Direction::ToClient, Duration::from_millis(1500)),
            Fault::Throttle(Direction::Both, 1000),
            Fault::CutAfter(Direction::ToBroker, 7),
            Fault::BlackHole(Direction::Both),
            Fault::HalfClose(Direction::ToClient),
            Fault::Reset,
            Fault::Refuse,
            Fault::Accept,
            Fault::DropReply(3),
            Fault::CutReply(1),
            Fault::To("tcp://127.0.0.1:61616".to_owned()),
            Fault::Clear,
        ];
        assert_eq!(faults.len(), WORDS.len());
        for fault in faults {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
    }

    #[test]
    fn what_is_not_said_is_one_reply_and_both_directions() {
        assert_eq!("drop-reply".parse(), Ok(Fault::DropReply(1)));
        assert_eq!("  black-hole ".parse(), Ok(Fault::BlackHole(Direction::Both)));
        let delay = Fault::Delay(Direction::Both, Duration::from_secs(2));
        assert_eq!("delay 2s".parse(), Ok(delay));
    }

    #[test]
    fn a_mistake_is_named_with_what_was_meant() {
        for (line, why) in [
            ("blackhole", "there is no fault \"blackhole\": black-hole?"),
            ("delay", "delay needs a time: delay 200ms"),
            ("delay 200", "delay 200: it needs a time: delay 200ms"),
            ("delay 2s to-brokr", "there is no direction \"to-brokr\": to-broker?"),
            ("throttle 0", "throttle 0: it needs bytes a second: throttle 10000"),
            ("reset now", "reset: nothing is known of \"now\""),
            ("drop-reply x", "drop-reply x: it needs a number of replies, or nothing for one"),
            ("to ssl://a:1", "to ssl://a:1: only tcp://host:port can be forwarded to"),
            ("to tcp://a", "to tcp://a: it has no port"),
            ("to tcp://a:0", "to tcp://a:0: its port is none"),
        ] {
            assert_eq!(line.parse::<Fault>(), Err(FaultError(why.to_owned())), "{line}");
        }
        let unlike = "xyzzy".parse::<Fault>().unwrap_err().to_string();
        assert!(unlike.contains("one of delay, throttle"), "{unlike}");
        assert!("".parse::<Fault>().is_err());
    }
}
