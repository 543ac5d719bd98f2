//! The store on disk holds what its twin in memory holds, also when it is opened again.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use rewire_protocol::{
    ConnectionId, Destination, Message, ProducerId, SubscriptionInfo, XaTransactionId,
};

use super::known::MAX_PRODUCERS;
use super::tables::{BEFORE, HEADS, LAYOUT, MESSAGES, META, QUEUES};
use super::*;
use crate::store::{MemoryStore, SubscriptionKey};

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
    fn it_holds_what_its_twin_in_memory_holds(
        writes in prop::collection::vec(write(), 0..40),
        size in 1..10_usize,
        is_killed in any::<bool>(),
    ) {
        let mut folder = tempfile::tempdir().unwrap();
        let mut memory = MemoryStore::new();
        let mut disk = DiskStore::open(folder.path()).unwrap();
        for group in is_told_of_places(&writes) {
            for part in group.chunks(size) {
                for store in [&mut memory as &mut dyn Store, &mut disk] {
                    store.write(vec![part.to_vec()]).unwrap();
                }
            }
            for number in 0..4 {
                let all: Vec<u64> = (1..20).collect();
                let [there, here] = [&mut memory as &mut dyn Store, &mut disk]
                    .map(|store| store.load(&place(number), &all).unwrap());
                prop_assert_eq!(there, here, "what was written is seen at once");
            }
            let image = is_killed.then(|| copied(folder.path()));
            drop(disk);
            folder = image.unwrap_or(folder);
            disk = DiskStore::open(folder.path()).unwrap();
            prop_assert_eq!(contents(&mut disk), contents(&mut memory));
        }
    }
}

/// What is left of a store when its broker is killed now.
fn copied(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in FILES {
        std::fs::copy(folder.join(name), copy.path().join(name)).unwrap();
    }
    copy
}

const FILES: [&str; 2] = ["rewire.redb", "rewire.journal"];

#[test]
fn a_message_that_is_consumed_at_once_never_reaches_the_tables() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = DiskStore::open(folder.path()).unwrap();
    let add = |sequence| StoreWrite::Add { place: place(0), sequence, message: message(sequence) };
    let remove = |sequence| StoreWrite::Remove { place: place(0), sequence };
    store.write(vec![vec![add(1), add(2)], vec![remove(1)]]).unwrap();
    assert_eq!((store.fresh.added.len(), store.fresh.removed.len()), (1, 0));
    store.empty(Vec::new()).unwrap();
    store.write(vec![vec![remove(2)]]).unwrap();
    assert_eq!((store.fresh.added.len(), store.fresh.removed.len()), (0, 1));
    assert_eq!(store.load(&place(0), &[1, 2]).unwrap(), [None, None]);
}

#[test]
fn a_message_that_is_written_again_and_removed_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = DiskStore::open(folder.path()).unwrap();
    let add = || StoreWrite::Add { place: place(0), sequence: 1, message: message(1) };
    store.write(vec![vec![add()]]).unwrap();
    store.empty(Vec::new()).unwrap();
    store
        .write(vec![vec![add()], vec![StoreWrite::Remove { place: place(0), sequence: 1 }]])
        .unwrap();
    for _ in 0..2 {
        assert_eq!(store.load(&place(0), &[1]).unwrap(), [None]);
        store.empty(Vec::new()).unwrap();
    }
}

#[test]
fn a_journal_that_is_full_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = DiskStore::open(folder.path()).unwrap();
    store.write(vec![vec![StoreWrite::CreateQueue(Destination::queue("A"))]]).unwrap();
    let add = |sequence| StoreWrite::Add { place: place(0), sequence, message: message(sequence) };
    for sequence in 1..=60 {
        store.write(vec![vec![add(sequence)]]).unwrap();
        if sequence % 7 == 0 {
            store.tidy().unwrap();
        }
        assert_eq!(store.load(&place(0), &[sequence]).unwrap(), [Some(message(sequence))]);
    }
    // More than the whole journal at once.
    store.write(vec![(61..=100).map(add).collect()]).unwrap();
    store.write(vec![vec![add(101)]]).unwrap();
    let image = copied(folder.path());
    assert_eq!(numbers(image.path()).unwrap(), (1..=101).collect::<Vec<u64>>());
    let journal = std::fs::metadata(folder.path().join("rewire.journal")).unwrap();
    assert_eq!(journal.len(), journal::LENGTH, "it has not grown");
}

#[test]
fn a_journal_is_not_read_with_tables_that_are_older() {
    for number in 0..2 {
        let folder = tempfile::tempdir().unwrap();
        let mut store = DiskStore::open(folder.path()).unwrap();
        let add =
            |sequence| StoreWrite::Add { place: place(0), sequence, message: message(sequence) };
        store.write(vec![vec![StoreWrite::CreateQueue(Destination::queue("A"))]]).unwrap();
        store.write((1..=number).map(|sequence| vec![add(sequence)]).collect()).unwrap();
        let before = copied(folder.path());
        store.write(vec![vec![StoreWrite::CreateQueue(Destination::queue("B"))]]).unwrap();
        store.write(vec![vec![add(9)]]).unwrap();
        let after = copied(folder.path());
        std::fs::copy(before.path().join(FILES[0]), after.path().join(FILES[0])).unwrap();
        let error = DiskStore::open(after.path()).unwrap_err().to_string();
        assert!(error.contains("older"), "{number}: {error}");
    }
}

#[test]
fn a_store_does_not_grow_while_what_comes_is_consumed() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = DiskStore::open(folder.path()).unwrap();
    store.write(vec![vec![StoreWrite::CreateQueue(Destination::queue("A"))]]).unwrap();
    let lengths =
        |folder: &Path| FILES.map(|name| std::fs::metadata(folder.join(name)).unwrap().len());
    let mut before = None;
    for sequence in 2..=300 {
        let number = i64::try_from(sequence).unwrap();
        let add = StoreWrite::Add { place: place(0), sequence, message: message(19) };
        let sent = StoreWrite::Sent { producer: producer(1), sequence: number };
        let remove = StoreWrite::Remove { place: place(0), sequence: sequence - 1 };
        store.write(vec![vec![add, sent], vec![remove]]).unwrap();
        // The journal was begun anew often enough for each page to have had its turn.
        if sequence > 150 {
            let now = lengths(folder.path());
            assert_eq!(*before.get_or_insert(now), now, "{sequence}");
        }
    }
}

#[test]
fn a_store_without_its_journal_says_so_and_the_other_way_round() {
    for name in FILES {
        let folder = tempfile::tempdir().unwrap();
        killed(folder.path());
        std::fs::remove_file(folder.path().join(name)).unwrap();
        let error = DiskStore::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("rewire.journal"), "{error}");
    }
}

#[test]
fn only_one_broker_at_a_time_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let _first = DiskStore::open(folder.path()).unwrap();
    assert!(DiskStore::open(folder.path()).is_err());
}

/// Makes a store look like one of another layout.
fn set_layout(store: &DiskStore, layout: u64) {
    let transaction = store.tables.begin_write();
    transaction.open_table(META).unwrap().insert(LAYOUT.0, layout).unwrap();
    if layout == BEFORE {
        transaction.delete_table(HEADS).unwrap();
    }
    transaction.commit().unwrap();
}

#[test]
fn a_store_of_an_unknown_layout_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = DiskStore::open(folder.path()).unwrap();
    set_layout(&store, 99);
    drop(store);
    assert!(DiskStore::open(folder.path()).unwrap_err().to_string().contains("layout 99"));
}

#[test]
fn a_store_of_the_layout_before_is_brought_to_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = DiskStore::open(folder.path()).unwrap();
    store.write(is_told_of_places(&[])).unwrap();
    let add = |sequence| {
        let place = place(u8::try_from(sequence % 4).unwrap());
        StoreWrite::Add { place, sequence, message: message(sequence) }
    };
    store.write(vec![(1..=200).map(add).collect()]).unwrap();
    let before = contents(&mut store);
    set_layout(&store, BEFORE);
    drop(store);
    std::fs::remove_file(folder.path().join("rewire.journal")).unwrap();
    for _ in 0..2 {
        let mut store = DiskStore::open(folder.path()).unwrap();
        assert_eq!(contents(&mut store), before);
    }
}

#[test]
fn nothing_is_left_of_a_message_that_was_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = DiskStore::open(folder.path()).unwrap();
    let queue = Destination::queue("A");
    let add = |sequence| StoreWrite::Add { place: place(0), sequence, message: message(sequence) };
    store.write(vec![vec![StoreWrite::CreateQueue(queue.clone())]]).unwrap();
    store.write(vec![(1..=9).map(add).collect()]).unwrap();
    let remove = |sequence| StoreWrite::Remove { place: place(0), sequence };
    store.write(vec![(1..=5).map(remove).collect()]).unwrap();
    store.write(vec![vec![StoreWrite::DeleteQueue(queue)]]).unwrap();
    for table in [QUEUES, MESSAGES, HEADS] {
        let mut count = 0;
        let counted = store.tables.read(table, |_, _| {
            count += 1;
            Ok(())
        });
        assert_eq!((counted, count), (Ok(()), 0), "{table}");
    }
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

/// The files of a store of five messages, each answered, as they are left when its broker is killed.
fn killed(folder: &Path) -> [Vec<u8>; 2] {
    let mut store = DiskStore::open(folder).unwrap();
    store.write(vec![vec![StoreWrite::CreateQueue(Destination::queue("A"))]]).unwrap();
    for sequence in 1..=5 {
        let add = StoreWrite::Add { place: place(0), sequence, message: message(sequence) };
        store.write(vec![vec![add]]).unwrap();
        if sequence == 2 {
            store.empty(Vec::new()).unwrap();
        }
    }
    let files = FILES.map(|name| std::fs::read(folder.join(name)).unwrap());
    drop(store);
    for (name, bytes) in FILES.iter().zip(&files) {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    files
}

/// The numbers of the messages that a store of these files holds, or why it cannot be read.
fn reopened(files: &[Vec<u8>; 2]) -> Result<Vec<u64>> {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in FILES.iter().zip(files) {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    numbers(folder.path())
}

/// The numbers of the messages that the store in this folder holds.
fn numbers(folder: &Path) -> Result<Vec<u64>> {
    let mut store = DiskStore::open(folder)?;
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
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_torn_file_says_so_or_goes_on_from_a_commit(
        file in 0..2_usize,
        cut in 0..100_000_usize,
        garble in any::<bool>(),
    ) {
        static KILLED: LazyLock<[Vec<u8>; 2]> =
            LazyLock::new(|| killed(tempfile::tempdir().unwrap().path()));
        let mut files = KILLED.clone();
        let bytes = &mut files[file];
        // Most of the journal is empty: what is in it is looked at more closely.
        let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let at = written * cut / 100_000;
        if garble {
            for byte in bytes.iter_mut().skip(at).take(512) {
                *byte ^= 0x5A;
            }
        } else {
            bytes.truncate(at);
        }
        if let Ok(numbers) = reopened(&files) {
            let is_all = numbers == [1, 2, 3, 4, 5];
            // A last commit whose bytes changed after they were safe looks like one that never was.
            let is_all_but_last_commit = garble && numbers == [1, 2, 3, 4];
            prop_assert!(is_all || is_all_but_last_commit, "{file} {at}: {numbers:?}");
        }
    }

    #[test]
    fn a_group_that_was_not_written_to_its_end_was_never_there(kept in 0..90_usize) {
        static KILLED: LazyLock<[Vec<u8>; 2]> =
            LazyLock::new(|| killed(tempfile::tempdir().unwrap().path()));
        let mut files = KILLED.clone();
        let written = files[1].iter().rposition(|byte| *byte != 0).unwrap() + 1;
        // The last message is the last group, and longer than this; behind it stands 24 bytes of its end.
        let torn = written - 500 + kept * 5;
        files[1][torn..].fill(0);
        prop_assert_eq!(reopened(&files).unwrap(), [1, 2, 3, 4]);
    }
}
