//! Hashing that gives the same numbers on every machine and in every version, since they are written to files.
//!
//! Not made to withstand somebody who looks for collisions.

use std::ops::BitXor;

const FIRST: u64 = 0x9e37_79b9_7f4a_7c15;
const SECOND: u64 = 0xd1b5_4a32_d192_ed03;
const THIRD: u64 = 0xa24b_aed4_963e_e407;
const FOURTH: u64 = 0x8cb9_2ba7_2f3d_8dd7;

/// Two numbers as one: the two halves of their product, folded.
#[inline]
pub fn mix(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product as u64) ^ ((product >> 64) as u64)
}

/// A number spread over all its bits.
#[inline]
pub fn spread(number: u64) -> u64 {
    mix(number ^ FIRST, SECOND)
}

/// 128 bits as two halves that are made apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wide(pub u64, pub u64);

impl Wide {
    /// The hash of one number.
    #[inline]
    pub const fn of(number: u64) -> Self {
        Self(number.wrapping_mul(FIRST) ^ THIRD, number.wrapping_mul(FOURTH) ^ SECOND)
    }

    /// The hash of this and what follows it; the order counts.
    #[inline]
    pub fn then(self, next: Self) -> Self {
        Self(
            mix(self.0 ^ FIRST, next.0 ^ SECOND).wrapping_add(next.1),
            mix(self.1 ^ THIRD, next.1 ^ FOURTH).wrapping_add(self.0.rotate_left(23)),
        )
    }

    /// The hash of bytes.
    #[inline]
    pub fn bytes(bytes: &[u8]) -> Self {
        let length = bytes.len() as u64;
        if bytes.len() <= 8 {
            let word = word(bytes, 0, bytes.len());
            return Self(mix(word ^ FIRST, length ^ SECOND), mix(word ^ THIRD, length ^ FOURTH));
        }
        let mut found = Self(length ^ FIRST, length ^ THIRD);
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            found = found.fold(word(chunk, 0, 8));
        }
        found.fold(word(bytes, bytes.len() - 8, bytes.len()))
    }

    #[inline]
    fn fold(self, word: u64) -> Self {
        Self(mix(self.0 ^ word, SECOND).wrapping_add(word), mix(self.1.wrapping_add(word) ^ THIRD, FOURTH))
    }

    /// Both halves as one number.
    #[must_use]
    pub fn number(self) -> u128 {
        (u128::from(self.0) << 64) | u128::from(self.1)
    }
}

impl BitXor for Wide {
    type Output = Self;

    fn bitxor(self, other: Self) -> Self {
        Self(self.0 ^ other.0, self.1 ^ other.1)
    }
}

/// A sum of hashes: the same whatever the order.
pub fn sum(left: Wide, right: Wide) -> Wide {
    Wide(left.0.wrapping_add(spread(right.0)), left.1.wrapping_add(spread(right.1)))
}

/// The at most eight bytes from `start` to `end` as a number.
#[inline]
pub fn word(text: &[u8], start: usize, end: usize) -> u64 {
    let length = end.saturating_sub(start).min(8);
    if let Some(eight) = text.get(start..).and_then(|rest| rest.first_chunk::<8>()) {
        let all = u64::from_le_bytes(*eight);
        return if length == 8 { all } else { all & ((1 << (8 * length)) - 1) };
    }
    let mut bytes = [0; 8];
    for (to, from) in bytes.iter_mut().zip(text.get(start..start + length).unwrap_or_default()) {
        *to = *from;
    }
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Wide, word};

    #[test]
    fn hashes_are_the_same_in_every_version() {
        // Saved indexes hold them: a change here needs another version there.
        let found = [Wide::bytes(b"forge"), Wide::bytes(b"near-duplicates"), Wide::of(1).then(Wide::of(2))];
        let wanted = [
            114_066_536_770_469_637_129_638_323_156_080_706_488,
            215_247_141_350_679_233_665_047_588_115_900_720_531,
            280_820_238_970_746_146_803_110_831_632_646_836_205,
        ];
        assert_eq!(found.map(Wide::number), wanted);
    }

    #[test]
    fn order_and_length_count() {
        let (one, two) = (Wide::of(1), Wide::of(2));
        assert_ne!(one.then(two), two.then(one));
        assert_ne!(Wide::bytes(b"a\0"), Wide::bytes(b"a"));
        assert_ne!(Wide::bytes(b"aaaaaaaaa"), Wide::bytes(b"aaaaaaaaaa"));
    }

    #[test]
    fn words_at_the_end_of_a_text_hold_what_words_before_it_hold() {
        let text = b"one two three four";
        for start in 0..text.len() {
            for end in start..(start + 8).min(text.len()) {
                assert_eq!(word(text, start, end), word(&text[start..end], 0, end - start));
            }
        }
    }
}
