//! The store on disk holds what its twin in memory holds, also when it is opened again.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use rewire_protocol::{ConnectionId, Destination, Message, XaTransactionId};

use super::*;
use crate::store::MemoryStore;

fn producer(number: i64) -> ProducerId {
    ConnectionId::new("c").session(1).producer(number)
}

fn message(sequence: u64) -> Arc<Message> {
    let id = producer(1).message(i64::try_from(sequence).unwrap());
    Arc::new(Message {
        message_id: Some(id),
        destination: Some(Destination::queue("A")),
        content: Some(vec![7; usize::try_from(sequence).unwrap() * 100].into()),
        persistent: true,
        ..Message::default()
    })
}

fn place(number: u8) -> Place {
    match number {
        0 => Place::Queue(Destination::queue("A")),
        1 => Place::Queue(Destination::queue("A.B")),
        number => Place::Subscription(subscription(number)),
    }
}

fn subscription(number: u8) -> SubscriptionKey {
    SubscriptionKey { client_id: "client \u{1f528}".into(), name: format!("s{number}").into() }
}

fn transaction(number: u8) -> Box<XaTransactionId> {
    let global_transaction_id = Some(vec![number].into());
    Box::new(XaTransactionId { global_transaction_id, ..XaTransactionId::default() })
}

fn simple() -> impl Strategy<Value = StoreWrite> {
    prop_oneof![
        4 => (0..4u8, 1..20u64).prop_map(|(at, sequence)| StoreWrite::Add {
            place: place(at), sequence, message: message(sequence)
        }),
        2 => (0..4u8, 1..20u64).prop_map(|(at, sequence)| StoreWrite::Remove { place: place(at), sequence }),
        2 => (1..3i64, 1..2000i64).prop_map(|(number, sequence)| StoreWrite::Sent {
            producer: producer(number), sequence
        }),
    ]
}

fn write() -> impl Strategy<Value = StoreWrite> {
    let queue = |number: u8| Destination::queue(if number == 0 { "A" } else { "A.B" });
    prop_oneof![
        8 => simple(),
        1 => (0..2u8).prop_map(move |number| StoreWrite::CreateQueue(queue(number))),
        1 => (0..2u8).prop_map(move |number| StoreWrite::DeleteQueue(queue(number))),
        1 => (2..4u8).prop_map(|number| {
            let info = SubscriptionInfo { no_local: number == 2, ..SubscriptionInfo::default() };
            StoreWrite::Subscribe(subscription(number), Box::new(info))
        }),
        1 => (2..4u8).prop_map(|number| StoreWrite::Unsubscribe(subscription(number))),
        1 => (0..3u8, prop::collection::vec(simple(), 0..4))
            .prop_map(|(number, writes)| StoreWrite::Prepare(transaction(number), writes)),
        1 => (0..3u8, any::<bool>()).prop_map(|(number, commit)| StoreWrite::Settle {
            transaction: transaction(number), commit
        }),
    ]
}

/// What a store holds, as text that two stores can be compared by.
fn contents(store: &mut impl Store) -> String {
    let mut recovered = store.recover().unwrap();
    recovered.producers.sort_by_key(|(producer, _)| producer.to_string());
    recovered.prepared.sort_by_key(|(id, _)| id.global_transaction_id.clone());
    recovered.taken.sort_by_key(|(place, sequence, _)| (format!("{place:?}"), *sequence));
    let mut messages = Vec::new();
    // A queue that nobody has made has no messages that a broker would find.
    for (queue, waiting) in &recovered.queues {
        let numbers: Vec<u64> = waiting.iter().map(|stored| stored.sequence).collect();
        messages.push(store.load(&Place::Queue(queue.clone()), &numbers).unwrap());
    }
    for (key, _, waiting) in &recovered.subscriptions {
        let numbers: Vec<u64> = waiting.iter().map(|stored| stored.sequence).chain([99]).collect();
        messages.push(store.load(&Place::Subscription(key.clone()), &numbers).unwrap());
    }
    format!("{recovered:#?} {messages:#?}")
}

/// A broker makes queues and subscriptions before anything is put there.
fn is_told_of_places(writes: &[StoreWrite]) -> Vec<Vec<StoreWrite>> {
    let mut first = vec![];
    for number in 0..2 {
        let Place::Queue(queue) = place(number) else { continue };
        first.push(StoreWrite::CreateQueue(queue));
    }
    for number in 2..4 {
        first.push(StoreWrite::Subscribe(subscription(number), Box::default()));
    }
    let gone = |write: &&StoreWrite| {
        !matches!(write, StoreWrite::DeleteQueue(_) | StoreWrite::Unsubscribe(_))
    };
    let rest = writes.iter().filter(gone).cloned().collect();
    let last = writes.iter().filter(|write| !gone(write)).cloned().collect();
    vec![first, rest, last]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_holds_what_its_twin_in_memory_holds(writes in prop::collection::vec(write(), 0..40)) {
        let folder = tempfile::tempdir().unwrap();
        let mut memory = MemoryStore::new();
        let mut disk = DiskStore::open(folder.path()).unwrap();
        for group in is_told_of_places(&writes) {
            for store in [&mut memory as &mut dyn Store, &mut disk] {
                store.write(vec![group.clone()]).unwrap();
            }
            drop(disk);
            disk = DiskStore::open(folder.path()).unwrap();
            prop_assert_eq!(contents(&mut disk), contents(&mut memory));
        }
    }
}

#[test]
fn only_one_broker_at_a_time_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let _first = DiskStore::open(folder.path()).unwrap();
    assert!(DiskStore::open(folder.path()).is_err());
}

#[test]
fn a_store_of_an_unknown_layout_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = DiskStore::open(folder.path()).unwrap();
    let transaction = store.database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert(LAYOUT.0, 99).unwrap();
    transaction.commit().unwrap();
    drop(store);
    assert!(DiskStore::open(folder.path()).unwrap_err().to_string().contains("layout 99"));
}

#[test]
fn producers_of_long_ago_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = DiskStore::open(folder.path()).unwrap();
    let count = i64::try_from(MAX_PRODUCERS).unwrap() * 2 + 1;
    let sent = |number| StoreWrite::Sent { producer: producer(number), sequence: 1 };
    store.write(vec![(1..=count).map(sent).collect()]).unwrap();
    let known = store.recover().unwrap().producers;
    assert_eq!(known.len(), MAX_PRODUCERS);
    assert!(known.iter().all(|(id, _)| id.value > count - i64::try_from(MAX_PRODUCERS).unwrap()));
}

/// A store of five messages, each answered, as it is left when its broker is killed.
fn killed(folder: &Path) -> Vec<u8> {
    let mut store = DiskStore::open(folder).unwrap();
    store.write(vec![vec![StoreWrite::CreateQueue(Destination::queue("A"))]]).unwrap();
    for sequence in 1..=5 {
        let add = StoreWrite::Add { place: place(0), sequence, message: message(sequence) };
        store.write(vec![vec![add]]).unwrap();
    }
    std::fs::read(folder.join("rewire.redb")).unwrap()
}

/// The numbers of the messages that a store of these bytes holds, or why it cannot be read.
fn reopened(bytes: &[u8]) -> Result<Vec<u64>> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rewire.redb"), bytes).unwrap();
    let mut store = DiskStore::open(folder.path())?;
    let recovered = store.recover()?;
    let mut numbers = Vec::new();
    for (queue, waiting) in &recovered.queues {
        let of: Vec<u64> = waiting.iter().map(|stored| stored.sequence).collect();
        for (number, loaded) in of.iter().zip(store.load(&Place::Queue(queue.clone()), &of)?) {
            assert_eq!(
                loaded.as_deref(),
                Some(&*message(*number)),
                "what is read is what was written"
            );
        }
        numbers.extend(of);
    }
    Ok(numbers)
}

#[test]
fn a_store_whose_broker_was_killed_has_all_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(reopened(&killed(folder.path())).unwrap(), [1, 2, 3, 4, 5]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_torn_file_says_so_or_goes_on_from_a_commit(cut in 0..100_000usize, garble in any::<bool>()) {
        static KILLED: LazyLock<Vec<u8>> =
            LazyLock::new(|| killed(tempfile::tempdir().unwrap().path()));
        let mut bytes = KILLED.clone();
        let at = bytes.len() * cut / 100_000;
        if garble {
            for byte in bytes.iter_mut().skip(at).take(512) {
                *byte ^= 0x5A;
            }
        } else {
            bytes.truncate(at);
        }
        if let Ok(numbers) = reopened(&bytes) {
            let is_all = numbers == [1, 2, 3, 4, 5];
            // A last commit whose bytes changed after they were safe looks like one that never was.
            let is_all_but_last_commit = garble && numbers == [1, 2, 3, 4];
            let is_new = at == 0 && numbers.is_empty();
            prop_assert!(is_all || is_all_but_last_commit || is_new, "{at}: {numbers:?}");
        }
    }
}
