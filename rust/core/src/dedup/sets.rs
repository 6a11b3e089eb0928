//! Sets of shingles as ascending numbers, and how much two of them share.

/// How many steps of a merge go by between looks at whether it can still succeed.
const STRIDE: usize = 16;

/// How many members two sets share; none once it is certain that there are fewer than `least`.
#[must_use]
pub fn shared(one: &[u32], two: &[u32], least: usize) -> Option<usize> {
    if one.len().min(two.len()) < least {
        return None;
    }
    let (mut at, mut by, mut count) = (0, 0, 0);
    while at < one.len() && by < two.len() {
        for _ in 0..STRIDE {
            let (Some(&left), Some(&right)) = (one.get(at), two.get(by)) else { break };
            count += usize::from(left == right);
            at += usize::from(left <= right);
            by += usize::from(right <= left);
        }
        if count + (one.len() - at).min(two.len() - by) < least {
            return None;
        }
    }
    (count >= least).then_some(count)
}

/// Shared members over all members of two sets; 1 if both are empty.
#[must_use]
pub fn similarity(one: &[u32], two: &[u32]) -> f64 {
    let count = shared(one, two, 0).unwrap_or(0);
    ratio(count, one.len() + two.len() - count)
}

/// The share of a set's members that another holds; 1 if it is empty.
#[must_use]
pub fn containment(part: &[u32], whole: &[u32]) -> f64 {
    ratio(shared(part, whole, 0).unwrap_or(0), part.len())
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

/// The fewest members that two sets of these sizes must share to be at least this similar.
#[must_use]
pub fn needed(one: usize, two: usize, threshold: f64) -> usize {
    let all = (one + two) as f64;
    let guess = (threshold / (1.0 + threshold) * all).ceil() as usize;
    // Rounding must not decide: the ratio itself does.
    let holds = |count: usize| count as f64 / (all - count as f64) >= threshold;
    if guess > 0 && holds(guess - 1) {
        guess - 1
    } else if holds(guess) {
        guess
    } else {
        guess + 1
    }
}

/// A set in 128 bits: one for each member, where some may coincide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sketch([u32; 4]);

impl Sketch {
    /// The sketch of a set.
    #[must_use]
    pub fn of(set: &[u32]) -> Self {
        let mut bits = [0; 4];
        for member in set {
            bits[(member >> 5 & 3) as usize] |= 1_u32 << (member & 31);
        }
        Self(bits)
    }

    /// At least how many members of the set of this sketch the other lacks.
    #[inline]
    #[must_use]
    pub fn lacks(self, other: Self) -> usize {
        let own = |Self([a, b, c, d]): Self| {
            (u128::from(a) << 96) | (u128::from(b) << 64) | (u128::from(c) << 32) | u128::from(d)
        };
        (own(self) & !own(other)).count_ones() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::{Sketch, containment, needed, shared, similarity};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn sets() -> impl Strategy<Value = (BTreeSet<u32>, BTreeSet<u32>)> {
        let set = || proptest::collection::btree_set(0_u32..400, 0..120);
        (set(), set())
    }

    proptest! {
        #[test]
        fn similarity_is_what_counting_gives((one, two) in sets()) {
            let count = one.intersection(&two).count();
            let all = one.union(&two).count();
            let (a, b): (Vec<u32>, Vec<u32>) = (one.iter().copied().collect(), two.iter().copied().collect());
            let wanted = if all == 0 { 1.0 } else { count as f64 / all as f64 };
            prop_assert_eq!(similarity(&a, &b), wanted);
            prop_assert_eq!(similarity(&b, &a), wanted);
            let part = if a.is_empty() { 1.0 } else { count as f64 / a.len() as f64 };
            prop_assert_eq!(containment(&a, &b), part);
            for least in 0..=count + 2 {
                prop_assert_eq!(shared(&a, &b, least), (count >= least).then_some(count));
            }
        }

        #[test]
        fn a_sketch_never_promises_too_much((one, two) in sets()) {
            let (a, b): (Vec<u32>, Vec<u32>) = (one.iter().copied().collect(), two.iter().copied().collect());
            prop_assert!(Sketch::of(&a).lacks(Sketch::of(&b)) <= one.difference(&two).count());
        }

        #[test]
        fn what_is_needed_is_exact(one in 0_usize..500, two in 0_usize..500, threshold in 0.01_f64..1.0) {
            let least = needed(one, two, threshold);
            let ratio = |count: usize| count as f64 / (one + two - count) as f64;
            prop_assert!(least > one.min(two) || ratio(least) >= threshold || one + two == 0);
            prop_assert!(least == 0 || ratio(least - 1) < threshold);
        }
    }
}
