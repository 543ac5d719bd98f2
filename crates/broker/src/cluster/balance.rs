//! Who moves where, by the number of clients that each broker has: arithmetic only.
//!
//! Every broker works this out for itself from the same numbers, and moves only its own clients.

use std::collections::BTreeMap;

/// How many clients each broker is to have. The odd ones stay where most are: no one moves for them.
fn shares<K: Ord + Clone>(counts: &BTreeMap<K, usize>) -> BTreeMap<K, usize> {
    let total: usize = counts.values().sum();
    let (least, odd) = (total / counts.len().max(1), total % counts.len().max(1));
    let mut by_count: Vec<(&K, &usize)> = counts.iter().collect();
    // Stable: among equals the first by name.
    by_count.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    by_count
        .into_iter()
        .enumerate()
        .map(|(place, (broker, _))| (broker.clone(), least + usize::from(place < odd)))
        .collect()
}

/// How many clients of `me` are to move to whom. No broker both gives and takes.
pub(super) fn moves<K: Ord + Clone>(counts: &BTreeMap<K, usize>, me: &K) -> Vec<(K, usize)> {
    let shares = shares(counts);
    let over = |broker: &K| counts[broker].saturating_sub(shares[broker]);
    let short = |broker: &K| shares[broker].saturating_sub(counts[broker]);
    // The givers are lined up against the takers, both by name; what lies across from `me` is its part.
    let begin: usize = counts.keys().take_while(|broker| *broker < me).map(&over).sum();
    let end = begin + counts.get(me).map_or(0, |_| over(me));
    let (mut at, mut moves) = (0, Vec::new());
    for taker in counts.keys() {
        let room = at..at + short(taker);
        at = room.end;
        let count = room.end.min(end).saturating_sub(room.start.max(begin));
        if count > 0 {
            moves.push((taker.clone(), count));
        }
    }
    moves
}

/// Whether it is not worth anybody's while to move: the fullest broker has a quarter more than the emptiest
/// at most, or one client.
pub(super) fn is_balanced<K>(counts: &BTreeMap<K, usize>) -> bool {
    let most = counts.values().max().copied().unwrap_or(0);
    let least = counts.values().min().copied().unwrap_or(0);
    most - least <= 1 || most * 4 <= least * 5
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(of: &[usize]) -> BTreeMap<usize, usize> {
        of.iter().copied().enumerate().collect()
    }

    #[test]
    fn a_broker_that_joins_gets_its_share_from_all_and_nobody_else_moves() {
        let counts = counts(&[20, 20, 20, 0]);
        for broker in 0..3 {
            assert_eq!(moves(&counts, &broker), [(3, 5)]);
        }
        assert!(moves(&counts, &3).is_empty());
    }

    #[test]
    fn the_fullest_give_most() {
        let counts = counts(&[24, 20, 16, 0]);
        assert_eq!(moves(&counts, &0), [(3, 9)]);
        assert_eq!(moves(&counts, &1), [(3, 5)]);
        assert_eq!(moves(&counts, &2), [(3, 1)]);
    }

    #[test]
    fn odd_clients_stay_where_they_are() {
        assert!(moves(&counts(&[3, 4, 3]), &1).is_empty());
        assert!(moves(&counts(&[1, 0]), &0).is_empty());
    }

    #[test]
    fn a_quarter_more_is_balanced_and_so_is_one_more() {
        assert!(is_balanced(&counts(&[25, 20])) && !is_balanced(&counts(&[26, 20])));
        assert!(is_balanced(&counts(&[1, 0])) && !is_balanced(&counts(&[2, 0])));
        assert!(is_balanced(&counts(&[])));
    }

    proptest! {
        #[test]
        fn all_moves_together_make_it_even_with_as_few_as_can_be(
            of in prop::collection::vec(0_usize..100, 1..9),
        ) {
            let before = counts(&of);
            let mut after = before.clone();
            let mut moved = 0;
            for broker in before.keys() {
                for (target, count) in moves(&before, broker) {
                    *after.get_mut(broker).unwrap() -= count;
                    *after.get_mut(&target).unwrap() += count;
                    moved += count;
                }
            }
            let (most, least) = (after.values().max().unwrap(), after.values().min().unwrap());
            prop_assert!(most - least <= 1, "{after:?}");
            let average = of.iter().sum::<usize>() / of.len();
            // Nobody can do with fewer: what is above the average, rounded up, has to go.
            let fewest: usize = of.iter().map(|count| count.saturating_sub(average + 1)).sum();
            let most_needed: usize = of.iter().map(|count| count.saturating_sub(average)).sum();
            prop_assert!((fewest..=most_needed).contains(&moved), "{moved} of {fewest}..={most_needed}");
        }
    }
}
