//! Names of destinations: composites, wildcards, advisories, virtual topics.

use rewire_protocol::{ConnectionId, Destination, DestinationKind};

use super::error::{BrokerError, ErrorKind};

/// Before the names of all advisory topics.
pub(super) const ADVISORY_PREFIX: &str = "ActiveMQ.Advisory.";

/// The members of a destination: itself, unless its name is several.
pub(super) fn members(
    destination: &Destination,
    limit: usize,
) -> Result<Vec<Destination>, BrokerError> {
    let bytes = destination.physical_name.as_wire();
    if !bytes.contains(&b',') {
        return Ok(vec![destination.clone()]);
    }
    let name = destination.physical_name.to_str();
    let mut members = Vec::new();
    for part in name.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let member = member(part, destination.kind);
        if !members.contains(&member) {
            members.push(member);
        }
        if members.len() > limit {
            return Err(BrokerError::limit("destinations in one name", limit));
        }
    }
    if members.is_empty() {
        let problem = "a destination needs a name";
        return Err(BrokerError::new(ErrorKind::InvalidDestination, problem));
    }
    Ok(members)
}

fn member(part: &str, kind: DestinationKind) -> Destination {
    let kinds = [
        ("queue://", DestinationKind::Queue),
        ("topic://", DestinationKind::Topic),
        ("temp-queue://", DestinationKind::TempQueue),
        ("temp-topic://", DestinationKind::TempTopic),
    ];
    let named = kinds.iter().find_map(|(scheme, kind)| Some((part.strip_prefix(scheme)?, *kind)));
    let (name, kind) = named.unwrap_or((part, kind));
    Destination { kind, physical_name: name.into() }
}

/// Whether the name stands for several by `*` or `>`.
pub(super) fn is_pattern(destination: &Destination) -> bool {
    if destination.kind.is_temporary() {
        return false;
    }
    let bytes = destination.physical_name.as_wire();
    bytes.contains(&b'*') || bytes.contains(&b'>')
}

/// Whether a destination is one of those that a pattern stands for. `*` is one word, `>` is the rest,
/// also none: Java: `A.>` matches `A`.
pub(super) fn matches(pattern: &Destination, destination: &Destination) -> bool {
    if pattern.kind != destination.kind {
        return false;
    }
    let mut words = destination.physical_name.as_wire().split(|byte| *byte == b'.');
    for wanted in pattern.physical_name.as_wire().split(|byte| *byte == b'.') {
        match (wanted, words.next()) {
            (b">", _) => return true,
            (_, None) => return false,
            (b"*", Some(_)) => {}
            (wanted, Some(word)) if wanted == word => {}
            (_, Some(_)) => return false,
        }
    }
    words.next().is_none()
}

/// Whether this is a topic for advisories, or all its members are. What is told of other
/// destinations is not told of those.
pub(super) fn is_advisory(destination: &Destination) -> bool {
    !destination.kind.is_queue()
        && destination.physical_name.as_wire().starts_with(ADVISORY_PREFIX.as_bytes())
}

/// The virtual topic whose messages this queue gets, or a pattern of such: `Consumer.A.VirtualTopic.B` is a
/// subscription to `VirtualTopic.B`, as ActiveMQ is set up by default.
pub(super) fn virtual_topic(queue: &Destination) -> Option<Destination> {
    if queue.kind != DestinationKind::Queue {
        return None;
    }
    let name = queue.physical_name.as_str()?;
    let (subscriber, topic) = name.strip_prefix("Consumer.")?.split_once('.')?;
    let is_one = topic.starts_with("VirtualTopic.") && !subscriber.contains(['*', '>']);
    is_one.then(|| Destination::topic(topic))
}

/// Whether there can be a destination of this name. Java: a pattern of virtual topics has a queue of its
/// own, any other only stands for those that it matches.
pub(super) fn is_place(destination: &Destination) -> bool {
    !is_pattern(destination) || virtual_topic(destination).is_some()
}

/// Whether a consumer of a pattern takes from this destination: not from what others' patterns have.
pub(super) fn takes(pattern: &Destination, destination: &Destination) -> bool {
    pattern == destination || !is_pattern(destination) && matches(pattern, destination)
}

/// The connection a temporary destination belongs to: its name is the connection's and a number.
pub(super) fn owner(temporary: &Destination) -> Option<ConnectionId> {
    let name = temporary.physical_name.to_str();
    name.rsplit_once(':').map(|(connection, _)| ConnectionId::new(connection))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_match(pattern: &str, name: &str) -> bool {
        matches(&Destination::topic(pattern), &Destination::topic(name))
    }

    #[test]
    fn a_star_is_one_word_and_a_greater_sign_is_the_rest() {
        for (pattern, name, expected) in [
            ("A.*", "A.B", true),
            ("A.*", "A", false),
            ("A.*", "A.B.C", false),
            ("A.*.C", "A.B.C", true),
            ("*.B", "A.B", true),
            ("A.>", "A.B.C", true),
            ("A.>", "A", true),
            ("A.>", "AB", false),
            (">", "A.B", true),
            ("A", "A", true),
            ("A", "B", false),
        ] {
            assert_eq!(is_match(pattern, name), expected, "{pattern} {name}");
        }
        assert!(!matches(&Destination::topic(">"), &Destination::queue("A")));
    }

    #[test]
    fn a_composite_has_members_of_both_kinds_each_once() {
        let both = Destination::queue("A, topic://B,A,queue://C");
        let found = members(&both, 10).unwrap();
        let expected = [Destination::queue("A"), Destination::topic("B"), Destination::queue("C")];
        assert_eq!(found, expected);
        assert!(members(&both, 2).is_err() && members(&Destination::queue(","), 2).is_err());
    }

    #[test]
    fn a_consumer_queue_gets_what_its_virtual_topic_gets() {
        let topic = virtual_topic(&Destination::queue("Consumer.A.VirtualTopic.B.C"));
        assert_eq!(topic, Some(Destination::topic("VirtualTopic.B.C")));
        let topics = virtual_topic(&Destination::queue("Consumer.A.VirtualTopic.>"));
        assert_eq!(topics, Some(Destination::topic("VirtualTopic.>")));
        for other in ["Consumer.A.B", "Consumer.*.VirtualTopic.B", "Consumer.>"] {
            assert_eq!(virtual_topic(&Destination::queue(other)), None, "{other}");
        }
    }

    #[test]
    fn a_temporary_destination_says_whose_it_is() {
        let kind = DestinationKind::TempQueue;
        let temporary = Destination { kind, physical_name: "ID:host-1-2:1:7".into() };
        assert_eq!(owner(&temporary), Some(ConnectionId::new("ID:host-1-2:1")));
    }
}
