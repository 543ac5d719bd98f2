//! Requests on their way: each numbered, each with one outcome, in the order of submission.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rewire_protocol::{Command, QUESTION_ID, Throwable};

use super::after;
use super::io::{Completion, LinkId, RequestId};
use crate::error::{GaveUp, RequestError};
use crate::tracker::weight;

/// Requests that are not done, by their numbers.
///
/// Numbers rise by one from 1 and stand in a queue in their order. One that is done leaves a gap, and the
/// gaps are closed when there are more of them than requests, so that an old request that stays open
/// does not keep the places of all that came after it.
#[derive(Debug)]
pub(crate) struct Requests {
    entries: VecDeque<(u64, Option<Entry>)>,
    /// The next number, before it is cut to what the wire has room for.
    next: u64,
    len: usize,
    bytes: usize,
}

/// So many gaps are not worth closing.
const FEW_GAPS: usize = 64;

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
    /// Over how many links it was sent.
    links: u32,
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
        let (link, tried) = (None, Vec::new());
        Self { id, command, completion, tracked, submitted, link, tried, links: 0, bytes }
    }

    /// Binds it to a link.
    pub(crate) const fn on_link(mut self, link: Option<LinkId>) -> Self {
        self.link = link;
        self
    }

    /// Notes that it goes to a broker, over a link it did not go over before.
    pub(crate) fn try_on(&mut self, broker: &Arc<str>) {
        self.links += 1;
        if !self.tried.contains(broker) {
            self.tried.push(broker.clone());
        }
    }

    /// What became of it, a broker having refused it.
    ///
    /// What an earlier link carried may have been done then, whatever this broker says; only what is
    /// declared has ended with that link.
    pub(crate) fn refuse(self, cause: Box<Throwable>) -> (RequestId, RequestError) {
        if self.links > 1 && !self.tracked {
            return self.fail(GaveUp::Refused(cause));
        }
        (self.id, RequestError::Refused(cause))
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

impl Requests {
    pub(crate) const fn new() -> Self {
        Self { entries: VecDeque::new(), next: 1, len: 0, bytes: 0 }
    }

    /// The number the next request gets.
    pub(crate) const fn next_number(&self) -> i32 {
        cut(self.next).cast_signed()
    }

    /// Uses up the next number; `None` for a request that is done as soon as it is sent.
    pub(crate) fn push(&mut self, entry: Option<Entry>) {
        if let Some(entry) = entry {
            self.len += 1;
            self.bytes += entry.bytes;
            self.entries.push_back((self.next, Some(entry)));
        }
        self.next += 1;
        // The link's own questions have this one.
        if self.next_number() == QUESTION_ID {
            self.next += 1;
        }
    }

    /// Takes out the request with this number.
    pub(crate) fn take(&mut self, number: i32) -> Option<Entry> {
        let whole = self.whole(number)?;
        let place = self.entries.binary_search_by_key(&whole, |(number, _)| *number).ok()?;
        let entry = self.entries.get_mut(place)?.1.take()?;
        self.len -= 1;
        self.bytes -= entry.bytes;
        while let Some((_, None)) = self.entries.front() {
            self.entries.pop_front();
        }
        if self.entries.len() > 2 * self.len + FEW_GAPS {
            self.entries.retain(|(_, entry)| entry.is_some());
        }
        Some(entry)
    }

    /// Takes out all.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Entry> + use<> {
        self.len = 0;
        self.bytes = 0;
        std::mem::take(&mut self.entries).into_iter().filter_map(|(_, entry)| entry)
    }

    /// A number before it was cut: no more than 2^32 back from the next one.
    fn whole(&self, number: i32) -> Option<u64> {
        let back = cut(self.next).wrapping_sub(number.cast_unsigned());
        self.next.checked_sub(u64::from(back))
    }

    /// All from this number on; all there are without one.
    pub(crate) fn iter_mut_from(
        &mut self,
        number: Option<i32>,
    ) -> impl Iterator<Item = &mut Entry> {
        let first = number.and_then(|number| self.whole(number)).unwrap_or(0);
        let place = self.entries.partition_point(|(number, _)| *number < first);
        self.entries.range_mut(place..).filter_map(|(_, entry)| entry.as_mut())
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.iter_mut().filter_map(|(_, entry)| entry.as_mut())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter_map(|(_, entry)| entry.as_ref())
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
        Some(after(first.submitted.max(since), timeout))
    }

    /// When the first request has waited for `timeout`.
    pub(crate) fn next_expiry(&self, timeout: Duration) -> Option<Instant> {
        self.iter().next().map(|first| after(first.submitted, timeout))
    }

    /// The numbers of the requests that have waited for `timeout`.
    pub(crate) fn expired(&self, timeout: Duration, now: Instant) -> Vec<i32> {
        self.iter()
            .filter(|entry| after(entry.submitted, timeout) <= now)
            .map(|entry| entry.command.command_id())
            .collect()
    }

    /// The numbers of the messages that have waited too long.
    pub(crate) fn timed_out(&self, since: Instant, timeout: Duration, now: Instant) -> Vec<i32> {
        self.iter()
            .filter(|entry| entry.is_message() && after(entry.submitted.max(since), timeout) <= now)
            .map(|entry| entry.command.command_id())
            .collect()
    }
}

/// A number as the wire has it.
#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
const fn cut(number: u64) -> u32 {
    number as u32
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
    fn no_request_has_the_number_of_the_links_own_questions() {
        let mut requests = Requests::new();
        requests.next = u64::from(QUESTION_ID.cast_unsigned()) - 1;
        let last = entry(&requests, 1);
        requests.push(Some(last));
        let after = entry(&requests, 2);
        assert_eq!(requests.next_number(), QUESTION_ID + 1);
        requests.push(Some(after));
        assert!(requests.take(QUESTION_ID).is_none());
        assert_eq!(requests.take(QUESTION_ID + 1).map(|entry| entry.id), Some(RequestId(2)));
        assert_eq!(requests.take(i32::MAX).map(|entry| entry.id), Some(RequestId(1)));
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
    fn a_request_that_stays_open_does_not_keep_the_places_of_those_that_are_done() {
        let mut requests = Requests::new();
        for id in 0..10_000 {
            let next = entry(&requests, id);
            let number = requests.next_number();
            requests.push(Some(next));
            if id % 1000 != 0 {
                requests.take(number);
            }
        }
        assert!(requests.entries.len() <= 2 * requests.len() + FEW_GAPS);
        let open: Vec<_> = requests.iter().map(|entry| entry.command.command_id()).collect();
        assert_eq!(open, [1, 1001, 2001, 3001, 4001, 5001, 6001, 7001, 8001, 9001]);
        let mut from =
            |number| requests.iter_mut_from(number).map(|entry| entry.id.0).collect::<Vec<_>>();
        assert_eq!(from(Some(8000)), [8000, 9000]);
        assert_eq!(
            (from(Some(9001)), from(Some(9002)), from(None).len()),
            (vec![9000], vec![], 10)
        );
        assert_eq!(requests.take(5001).map(|entry| entry.id), Some(RequestId(5000)));
        assert_eq!(requests.take(5001).map(|entry| entry.id), None);
    }

    #[test]
    fn numbers_go_around() {
        let mut requests = Requests { next: u64::from(u32::MAX), ..Requests::new() };
        for id in 0..3 {
            let next = entry(&requests, id);
            requests.push(Some(next));
        }
        assert_eq!(requests.take(1).map(|entry| entry.id), Some(RequestId(2)));
        assert_eq!(requests.take(-1).map(|entry| entry.id), Some(RequestId(0)));
        assert_eq!(requests.take(0).map(|entry| entry.id), Some(RequestId(1)));
    }
}
