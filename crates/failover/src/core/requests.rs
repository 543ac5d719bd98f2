//! Requests on their way: each numbered, each with one outcome, in the order of submission.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rewire_protocol::Command;

use super::io::{Completion, LinkId, RequestId};
use crate::error::{GaveUp, RequestError};

/// Requests that are not done, by their numbers.
///
/// Numbers rise by one from 1, so the requests stand in a queue and a number is a place in it.
#[derive(Debug)]
pub(crate) struct Requests {
    entries: VecDeque<Option<Entry>>,
    /// The number of the first entry.
    first: u32,
    len: usize,
    bytes: usize,
}

/// A request that waits for a broker, or for its answer.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: RequestId,
    pub(crate) command: Arc<Command>,
    pub(crate) completion: Completion,
    /// Whether a replay brings it back, so that it is not to be sent for its own sake.
    pub(crate) tracked: bool,
    pub(crate) submitted: Instant,
    /// The only link it means anything on.
    pub(crate) link: Option<LinkId>,
    /// The brokers it was sent to, in order, without repeats.
    pub(crate) tried: Vec<Arc<str>>,
    bytes: usize,
}

impl Entry {
    pub(crate) fn new(
        id: RequestId,
        command: Arc<Command>,
        completion: Completion,
        tracked: bool,
        submitted: Instant,
    ) -> Self {
        let bytes = weight(&command);
        Self { id, command, completion, tracked, submitted, link: None, tried: Vec::new(), bytes }
    }

    /// Binds it to a link.
    pub(crate) const fn on_link(mut self, link: Option<LinkId>) -> Self {
        self.link = link;
        self
    }

    /// Notes that it goes to a broker.
    pub(crate) fn try_on(&mut self, broker: &Arc<str>) {
        if !self.tried.contains(broker) {
            self.tried.push(broker.clone());
        }
    }

    /// What became of it, now that no answer will come.
    pub(crate) fn fail(self, reason: GaveUp) -> (RequestId, RequestError) {
        let error = if self.tried.is_empty() {
            RequestError::NotSent(reason)
        } else {
            let tried = self.tried.iter().map(ToString::to_string).collect();
            RequestError::InDoubt { tried, reason }
        };
        (self.id, error)
    }

    /// Only messages are given up after the option `timeout`.
    pub(crate) fn is_message(&self) -> bool {
        matches!(*self.command, Command::Message(_))
    }
}

/// What a command weighs in the queue: its body, and a share for the rest.
fn weight(command: &Command) -> usize {
    const OVERHEAD: usize = 512;
    let Command::Message(message) = command else { return OVERHEAD };
    let len = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, bytes::Bytes::len);
    OVERHEAD + len(&message.content) + len(&message.marshalled_properties)
}

impl Requests {
    pub(crate) const fn new() -> Self {
        Self { entries: VecDeque::new(), first: 1, len: 0, bytes: 0 }
    }

    /// The number the next request gets.
    pub(crate) fn next_number(&self) -> i32 {
        let place = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.first.wrapping_add(place).cast_signed()
    }

    /// Uses up the next number; `None` for a request that is done as soon as it is sent.
    pub(crate) fn push(&mut self, entry: Option<Entry>) {
        match entry {
            Some(entry) => {
                self.len += 1;
                self.bytes += entry.bytes;
                self.entries.push_back(Some(entry));
            }
            None if self.entries.is_empty() => self.first = self.first.wrapping_add(1),
            None => self.entries.push_back(None),
        }
    }

    /// Takes out the request with this number.
    pub(crate) fn take(&mut self, number: i32) -> Option<Entry> {
        let place = number.cast_unsigned().wrapping_sub(self.first) as usize;
        let entry = self.entries.get_mut(place)?.take()?;
        self.len -= 1;
        self.bytes -= entry.bytes;
        while let Some(None) = self.entries.front() {
            self.entries.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        Some(entry)
    }

    /// Takes out all.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Entry> + use<> {
        self.first = self.next_number().cast_unsigned();
        self.len = 0;
        self.bytes = 0;
        std::mem::take(&mut self.entries).into_iter().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.iter_mut().flatten()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().flatten()
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// When the first message has waited for `timeout` without a link, there having been none since
    /// `since`.
    pub(crate) fn next_timeout(&self, since: Instant, timeout: Duration) -> Option<Instant> {
        // In order of submission, so the first is the next.
        let first = self.iter().find(|entry| entry.is_message())?;
        Some(first.submitted.max(since) + timeout)
    }

    /// The numbers of the messages that have waited too long.
    pub(crate) fn timed_out(&self, since: Instant, timeout: Duration, now: Instant) -> Vec<i32> {
        self.iter()
            .filter(|entry| entry.is_message() && entry.submitted.max(since) + timeout <= now)
            .map(|entry| entry.command.command_id())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use rewire_protocol::KeepAliveInfo;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any time will do")]
    fn entry(requests: &Requests, id: u64) -> Entry {
        let mut command = Command::from(KeepAliveInfo::default());
        command.set_command_id(requests.next_number());
        let command = Arc::new(command);
        Entry::new(RequestId(id), command, Completion::Answered, false, Instant::now())
    }

    #[test]
    fn numbers_rise_from_one_whether_an_answer_is_waited_for_or_not() {
        let mut requests = Requests::new();
        assert_eq!(requests.next_number(), 1);
        requests.push(None);
        assert_eq!(requests.next_number(), 2);
        let first = entry(&requests, 1);
        requests.push(Some(first));
        requests.push(None);
        assert_eq!(requests.next_number(), 4);
        assert_eq!(requests.take(2).map(|entry| entry.id), Some(RequestId(1)));
        assert_eq!(requests.next_number(), 4);
        assert_eq!((requests.len(), requests.bytes()), (0, 0));
    }

    #[test]
    fn each_request_is_taken_once_in_any_order() {
        let mut requests = Requests::new();
        for id in 0..4 {
            let next = entry(&requests, id);
            requests.push(Some(next));
        }
        assert_eq!(requests.take(3).map(|entry| entry.id), Some(RequestId(2)));
        assert!(requests.take(3).is_none());
        assert!(requests.take(9).is_none());
        assert!(requests.take(0).is_none());
        assert_eq!(requests.take(1).map(|entry| entry.id), Some(RequestId(0)));
        assert_eq!(requests.len(), 2);
        let rest: Vec<_> = requests.drain().map(|entry| entry.id).collect();
        assert_eq!(rest, [RequestId(1), RequestId(3)]);
        assert_eq!(requests.next_number(), 5);
    }

    #[test]
    fn numbers_go_around() {
        let mut requests = Requests { first: u32::MAX, ..Requests::new() };
        for id in 0..3 {
            let next = entry(&requests, id);
            requests.push(Some(next));
        }
        assert_eq!(requests.take(1).map(|entry| entry.id), Some(RequestId(2)));
        assert_eq!(requests.take(-1).map(|entry| entry.id), Some(RequestId(0)));
        assert_eq!(requests.take(0).map(|entry| entry.id), Some(RequestId(1)));
    }
}
