//! `Groups`: which consumers of a queue have its message groups.

use std::collections::BTreeMap;

use rewire_protocol::Str;

use super::keys::{Map, SubKey};
use super::policies::MessageGroupMap;

/// Which consumer has which group, and which were not used for the longest time.
#[derive(Debug)]
pub(super) struct Groups {
    /// Groups are put together by their hashes into so many.
    buckets: Option<i32>,
    /// How many have an owner at most.
    most: usize,
    owners: Map<Group, Owner>,
    /// How many each consumer has, of those that have any.
    counts: Map<SubKey, usize>,
    by_use: BTreeMap<u64, Group>,
    uses: u64,
}

/// A group, or all in one bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Group {
    Named(Str),
    Bucket(i32),
}

#[derive(Clone, Copy, Debug)]
struct Owner {
    sub: SubKey,
    last_use: u64,
}

impl Groups {
    /// As the policy says, and never more than `most`.
    pub(super) fn new(map: Option<MessageGroupMap>, most: usize) -> Self {
        let (buckets, most) = match map {
            None | Some(MessageGroupMap::Simple) => (None, most),
            Some(MessageGroupMap::Cached { size }) => (None, most.min(size)),
            Some(MessageGroupMap::Bucket { count }) => (Some(i32::from(count).max(1)), most),
        };
        let (owners, counts, by_use) = (Map::default(), Map::default(), BTreeMap::new());
        Self { buckets, most, owners, counts, by_use, uses: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Who has this group.
    pub(super) fn owner(&self, name: &Str) -> Option<SubKey> {
        self.owners.get(&self.group(name)).map(|owner| owner.sub)
    }

    /// How many groups a consumer has.
    pub(super) fn count(&self, sub: SubKey) -> usize {
        self.counts.get(&sub).copied().unwrap_or(0)
    }

    /// A consumer gets a message of a group. Whether it is its first.
    pub(super) fn give(&mut self, name: &Str, sub: SubKey) -> bool {
        let group = self.group(name);
        self.uses += 1;
        let last_use = self.uses;
        self.by_use.insert(last_use, group.clone());
        if let Some(owner) = self.owners.get_mut(&group) {
            self.by_use.remove(&std::mem::replace(&mut owner.last_use, last_use));
            return false;
        }
        self.owners.insert(group, Owner { sub, last_use });
        *self.counts.entry(sub).or_default() += 1;
        while self.owners.len() > self.most
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.disown(&oldest);
        }
        true
    }

    /// Nobody has this group any more.
    pub(super) fn end(&mut self, name: &Str) {
        self.disown(&self.group(name));
    }

    /// A consumer leaves. Whether it had any groups.
    pub(super) fn remove_consumer(&mut self, sub: SubKey) -> bool {
        if self.counts.remove(&sub).is_none_or(|count| count == 0) {
            return false;
        }
        let by_use = &mut self.by_use;
        self.owners.retain(|_, owner| {
            let stays = owner.sub != sub;
            if !stays {
                by_use.remove(&owner.last_use);
            }
            stays
        });
        true
    }

    fn disown(&mut self, group: &Group) {
        let Some(owner) = self.owners.remove(group) else { return };
        self.by_use.remove(&owner.last_use);
        if let Some(count) = self.counts.get_mut(&owner.sub) {
            *count = count.saturating_sub(1);
        }
    }

    fn group(&self, name: &Str) -> Group {
        match self.buckets {
            Some(count) => Group::Bucket((java_hash(&name.to_str()) % count).abs()),
            None => Group::Named(name.clone()),
        }
    }
}

/// Java: `String.hashCode`, so that the same groups are together as there.
fn java_hash(name: &str) -> i32 {
    name.encode_utf16().fold(0, |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Str {
        Str::from(text)
    }

    #[test]
    fn groups_are_hashed_as_java_does() {
        for (text, expected) in [("", 0), ("group-7", 293_427_305), ("\u{1f528}", 1_772_683)] {
            assert_eq!(java_hash(text), expected, "{text}");
        }
    }

    #[test]
    fn the_group_that_was_not_used_for_the_longest_time_loses_its_owner() {
        let mut groups = Groups::new(Some(MessageGroupMap::Cached { size: 2 }), 100);
        let sub = SubKey(1);
        for (text, is_new) in [("a", true), ("b", true), ("a", false), ("c", true), ("a", false)] {
            assert_eq!(groups.give(&name(text), sub), is_new, "{text}");
        }
        assert_eq!((groups.owner(&name("b")), groups.count(sub)), (None, 2));
    }

    #[test]
    fn groups_of_one_bucket_have_one_owner_and_lose_it_together() {
        let mut groups = Groups::new(Some(MessageGroupMap::Bucket { count: 1 }), 100);
        groups.give(&name("a"), SubKey(1));
        assert_eq!(groups.owner(&name("b")), Some(SubKey(1)));
        groups.end(&name("b"));
        assert!(groups.is_empty() && groups.count(SubKey(1)) == 0);
    }

    #[test]
    fn nothing_is_left_of_a_consumer_that_leaves() {
        let mut groups = Groups::new(Some(MessageGroupMap::Simple), 100);
        for text in ["a", "b", "c"] {
            groups.give(&name(text), SubKey(if text == "b" { 2 } else { 1 }));
        }
        assert!(groups.remove_consumer(SubKey(1)) && !groups.remove_consumer(SubKey(3)));
        assert_eq!((groups.owners.len(), groups.by_use.len(), groups.counts.len()), (1, 1, 1));
    }
}
