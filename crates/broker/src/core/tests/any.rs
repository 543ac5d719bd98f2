//! Whatever clients say, in whatever order: nothing panics, and the accounts are right.

use proptest::prelude::*;
use rewire_protocol::{
    ConsumerControl, DestinationInfo, DestinationKind, RemoveSubscriptionInfo, TransactionInfo,
};

use super::reference::MESSAGE_OVERHEAD;
use super::subscription::{Gaze, Seen, Subscription};
use super::transactions::local;
use super::*;

/// One thing that happens, on one of three links.
#[derive(Clone, Debug)]
enum Act {
    Open,
    Connect,
    Close,
    Consume { number: i64, name: u8, kind: u8, prefetch: i32, flags: u8 },
    End { number: i64, last: i64 },
    Send { sequence: i64, name: u8, kind: u8, flags: u8, in_transaction: bool },
    Ack { number: i64, ack_type: i8, from: u64, first: i64, count: i64, in_transaction: bool },
    Pull { number: i64, timeout: i64 },
    Prefetch { number: i64, prefetch: i32 },
    Transaction { step: i8 },
    Destination { name: u8, kind: u8, operation: i8 },
    Unsubscribe,
    Congest(bool),
    Wait(u16),
    Read,
    Restart,
}

const NAMES: [&str; 8] = ["A", "B", "A.C", "A.*", ">", "A,B", "topic://A,queue://B", "c1:1"];

fn destination(name: u8, kind: u8) -> Destination {
    let kinds = [
        DestinationKind::Queue,
        DestinationKind::Topic,
        DestinationKind::TempQueue,
        DestinationKind::TempTopic,
    ];
    let physical_name = NAMES[usize::from(name) % NAMES.len()].into();
    Destination { kind: kinds[usize::from(kind) % kinds.len()], physical_name }
}

fn act() -> impl Strategy<Value = Act> {
    let number = 1..4i64;
    prop_oneof![
        1 => Just(Act::Open),
        2 => Just(Act::Connect),
        1 => Just(Act::Close),
        6 => (number.clone(), 0..8u8, 0..5u8, -1..4i32, any::<u8>()).prop_map(
            |(number, name, kind, prefetch, flags)| Act::Consume { number, name, kind: kind % 4, prefetch, flags }
        ),
        2 => (number.clone(), -2..20i64).prop_map(|(number, last)| Act::End { number, last }),
        12 => (1..30i64, 0..8u8, 0..6u8, any::<u8>(), any::<bool>()).prop_map(
            |(sequence, name, kind, flags, in_transaction)| Act::Send { sequence, name, kind: kind % 4, flags, in_transaction }
        ),
        10 => (number.clone(), -1..8i8, 1..4u64, 1..30i64, 1..4i64, any::<bool>()).prop_map(
            |(number, ack_type, from, first, count, in_transaction)| Act::Ack { number, ack_type, from, first, count, in_transaction }
        ),
        2 => (number.clone(), -1..3i64).prop_map(|(number, timeout)| Act::Pull { number, timeout }),
        1 => (number, -1..4i32).prop_map(|(number, prefetch)| Act::Prefetch { number, prefetch }),
        4 => (-1..9i8).prop_map(|step| Act::Transaction { step }),
        2 => (0..8u8, 0..4u8, 0..3i8).prop_map(|(name, kind, operation)| Act::Destination { name, kind, operation }),
        1 => Just(Act::Unsubscribe),
        1 => any::<bool>().prop_map(Act::Congest),
        1 => any::<u16>().prop_map(Act::Wait),
        8 => Just(Act::Read),
        1 => Just(Act::Restart),
    ]
}

fn some_consumer(info: ConsumerInfo, prefetch: i32, flags: u8) -> ConsumerInfo {
    let is = |bit: u8| flags & bit != 0;
    ConsumerInfo {
        prefetch_size: prefetch,
        browser: is(1) && is(2),
        exclusive: is(2) && !is(1),
        no_local: is(4),
        retroactive: is(8),
        selector: is(16).then(|| "JMSPriority > 4".into()),
        subscription_name: (is(32) && is(64)).then(|| "s".into()),
        priority: i8::from(is(128)),
        ..info
    }
}

fn some_policy(flags: u8) -> DestinationPolicy {
    let is = |bit: u8| flags & bit != 0;
    DestinationPolicy {
        persist_jms_redelivered: is(1),
        consumers_before_dispatch_starts: if is(2) { 2 } else { 0 },
        message_group_map: is(4).then_some(MessageGroupMap::Bucket { count: 1 }),
        minimum_message_size: if is(8) { 10 } else { 1024 },
        max_browse_page_size: is(16).then_some(1),
        use_consumer_priority: !is(32),
        advisory_for_delivery: is(64),
        advisory_for_consumed: is(64),
        memory_limit: is(128).then_some(3000),
        send_fail_if_no_space: is(2),
        advisory_when_full: is(64),
        advisory_for_fast_producers: is(64),
        send_advisory_if_no_consumers: is(64),
        strict_order_dispatch: is(128),
        ..DestinationPolicy::default()
    }
}

fn some_message(message: Message, flags: u8, now: i64) -> Message {
    let is = |bit: u8| flags & bit != 0;
    Message {
        priority: if is(1) { 9 } else { 4 },
        persistent: is(2),
        expiration: if is(4) && is(8) { now + i64::from(flags) } else { 0 },
        group_id: is(16).then(|| if is(32) { "g".into() } else { "h".into() }),
        group_sequence: if is(64) && is(128) { -1 } else { 1 },
        response_required: is(64),
        ..message
    }
}

fn play(lab: &mut Lab, link: u64, act: Act) {
    match act {
        Act::Open => {
            lab.close(link);
            lab.open(link);
        }
        Act::Connect => {
            lab.close(link);
            lab.client(link);
        }
        Act::Close => drop(lab.close(link)),
        Act::Consume { number, name, kind, prefetch, flags } => {
            let from = destination(name, kind);
            lab.ask(link, some_consumer(consumer(link, number, from), prefetch, flags));
        }
        Act::End { number, last } => drop(lab.end(link, number, last)),
        Act::Send { sequence, name, kind, flags, in_transaction } => {
            let now = lab.now.unix_ms;
            let message =
                some_message(message(link, sequence, destination(name, kind)), flags, now);
            let transaction_id = in_transaction.then(|| local(link, 1));
            lab.tell(link, Message { transaction_id, ..message });
        }
        Act::Ack { number, ack_type, from, first, count, in_transaction } => {
            let name = |sequence: i64| format!("{from}.{sequence}");
            let ack = MessageAck {
                transaction_id: in_transaction.then(|| local(link, 1)),
                ..ack(link, number, ack_type, &name(first), &name(first + count - 1))
            };
            lab.tell(link, ack);
        }
        Act::Pull { number, timeout } => drop(lab.pull(link, number, timeout)),
        Act::Prefetch { number, prefetch } => {
            let consumer_id = Some(connection(link).session(1).consumer(number));
            lab.tell(link, ConsumerControl { consumer_id, prefetch, ..ConsumerControl::default() });
        }
        Act::Transaction { step } => {
            let transaction_id = Some(local(link, 1));
            let transaction_type = step;
            lab.ask(
                link,
                TransactionInfo { transaction_id, transaction_type, ..TransactionInfo::default() },
            );
        }
        Act::Destination { name, kind, operation } => {
            let destination = Some(destination(name, kind));
            let operation_type = operation;
            lab.ask(
                link,
                DestinationInfo { destination, operation_type, ..DestinationInfo::default() },
            );
        }
        Act::Unsubscribe => {
            let subscription_name = Some("s".into());
            lab.ask(
                link,
                RemoveSubscriptionInfo { subscription_name, ..RemoveSubscriptionInfo::default() },
            );
        }
        Act::Congest(true) => drop(lab.input(Input::Congested(LinkId(link)))),
        Act::Congest(false) => drop(lab.input(Input::Relieved(LinkId(link)))),
        Act::Wait(millis) => drop(lab.wait(Duration::from_millis(millis.into()))),
        Act::Read => drop(lab.hand_over()),
        Act::Restart => lab.restart(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_clients_say_the_accounts_are_right(
        acts in prop::collection::vec((1..4u64, act()), 1..120),
        flags in any::<u8>(),
    ) {
        let mut lab = Lab::stored();
        lab.core.config.policies.set_default(some_policy(flags));
        lab.core.asked = Asked::of(&lab.core.config.policies);
        lab.core.config.limits.message_groups = 1;
        // A page of two messages.
        lab.core.config.limits.page_memory = 2 * MESSAGE_OVERHEAD;
        lab.unread = Some(Vec::new());
        for link in 1..4 {
            lab.client(link);
        }
        for (link, act) in acts {
            play(&mut lab, link, act);
            lab.core.check_accounts();
        }
        for link in 1..4 {
            lab.close(link);
        }
        lab.hand_over();
        lab.core.check_accounts();
        // All that is left is what waits for somebody.
        prop_assert!(lab.core.subs.is_empty() && lab.core.transactions.is_empty());
        let is_idle = |queue: &queue::Queue| queue.in_flight == 0 && queue.consumers.is_empty();
        let mut queues = lab.core.destinations.queue_keys().into_iter();
        prop_assert!(queues.all(|key| lab.core.destinations.peek(key).is_some_and(is_idle)));
        let persistent = lab.store.as_ref().unwrap().len();
        let waiting: usize = lab.core.destinations.queue_keys().iter()
            .map(|key| lab.core.destinations.peek(*key).unwrap().stored_count()).sum();
        prop_assert_eq!(persistent, waiting, "the store has what waits, and nothing else");
    }
}

impl BrokerCore {
    /// Counts everything again.
    fn check_accounts(&self) {
        let mut all = 0;
        for key in self.destinations.queue_keys() {
            let queue = self.destinations.peek(key).unwrap();
            let at_consumers = self.subs.values().flat_map(|sub| &sub.dispatched);
            let in_transactions = self.transactions.values().flat_map(|t| t.acked());
            let out: Vec<usize> = at_consumers
                .chain(in_transactions)
                .filter(|dispatched| dispatched.queue == key)
                .map(|dispatched| dispatched.reference.size())
                .collect();
            assert_eq!(queue.in_flight, out.len(), "{}", queue.destination);
            // What a broker finds expired when it starts is buried with the first thing it hears.
            let expired = self.expired.iter().filter(|(own, _)| *own == key);
            let expired: usize = expired.map(|(_, reference)| reference.size()).sum();
            let bytes = queue.pending_bytes() + out.iter().sum::<usize>() + expired;
            assert_eq!(queue.bytes, bytes, "{}", queue.destination);
            all += bytes + queue.pages.stub_bytes();
            let limit = self.config.limits.page_memory;
            assert!(queue.pages.in_memory() <= limit * 2 + MESSAGE_OVERHEAD);
            let waits = |sub: &Subscription| {
                sub.seats.iter().any(|seat| seat.queue == key && seat.gaze == Gaze::Waiting)
            };
            if self.subs.values().any(waits) {
                assert!(queue.pages.is_reading(), "{}: who waits is served", queue.destination);
            }
        }
        let pending = self.subs.values().flat_map(|sub| &sub.stream.pending);
        let of_topics = pending.filter_map(|seen| match seen {
            Seen::Here(Some(_), reference) => Some(reference.size()),
            Seen::Here(None, _) | Seen::There(..) => None,
        });
        all += of_topics.sum::<usize>();
        all += self.transactions.values().map(Transaction::held_bytes).sum::<usize>();
        assert_eq!(self.memory_used(), all);
    }
}
