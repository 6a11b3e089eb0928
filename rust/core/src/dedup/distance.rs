//! How many tokens have to be inserted, removed or replaced to make one text of another.
//!
//! Source: G. Myers, "A fast bit-vector algorithm for approximate string matching", 1999, in blocks as
//! H. Hyyrö, "A bit-vector algorithm for computing Levenshtein and Damerau edit distances", 2003, has them.

use std::collections::HashMap;

use super::lexer::lex;
use super::tokens::{Kind, Token};

/// The tokens of texts as numbers: equal tokens, equal numbers. Comments and blank space are left out; ends of
/// lines and blocks count as tokens, however they are written.
#[derive(Debug, Default)]
pub struct Words<'a> {
    known: HashMap<(u8, &'a [u8]), u32>,
}

impl<'a> Words<'a> {
    /// The numbers of a text's tokens.
    pub fn of(&mut self, text: &'a [u8]) -> Vec<u32> {
        let mut tokens: Vec<Token> = Vec::new();
        lex(text, false, &mut tokens);
        let all = tokens.iter().map(|token| {
            let text = match token.kind {
                Kind::Newline | Kind::Indent | Kind::Dedent => &[][..],
                _ => token.text(text),
            };
            let next = self.known.len() as u32;
            *self.known.entry((token.kind as u8, text)).or_insert(next)
        });
        all.collect()
    }
}

/// The distance of two sequences; none if it is more than `most`.
#[must_use]
pub fn distance(one: &[u32], two: &[u32], most: usize) -> Option<usize> {
    let same = one.iter().zip(two).take_while(|(left, right)| left == right).count();
    let (one, two) = (&one[same..], &two[same..]);
    let same = one.iter().rev().zip(two.iter().rev()).take_while(|(left, right)| left == right).count();
    let (one, two) = (&one[..one.len() - same], &two[..two.len() - same]);
    let (short, long) = if one.len() < two.len() { (one, two) } else { (two, one) };
    if long.len() - short.len() > most {
        return None;
    }
    if short.is_empty() {
        return Some(long.len());
    }
    Columns::new(short).run(long, most)
}

/// Which of several texts has the least distance to a text, the first of several; none if there are none.
#[must_use]
pub fn nearest(text: &[u8], others: &[&[u8]]) -> Option<usize> {
    let mut words = Words::default();
    let text = words.of(text);
    let mut best = None;
    let mut most = usize::MAX;
    for (at, other) in others.iter().enumerate() {
        if let Some(found) = distance(&text, &words.of(other), most) {
            best = Some(at);
            match found.checked_sub(1) {
                Some(less) => most = less,
                None => break,
            }
        }
    }
    best
}

/// The columns of the table of distances, as differences of neighbours in bits.
struct Columns {
    length: usize,
    /// Where each word occurs in the short sequence, by block of 64: `(block, bits)`.
    places: HashMap<u32, Vec<(usize, u64)>>,
    /// For each block, which rows are one more than the row above, and which one less.
    blocks: Vec<(u64, u64)>,
}

impl Columns {
    fn new(short: &[u32]) -> Self {
        let mut places: HashMap<u32, Vec<(usize, u64)>> = HashMap::new();
        for (at, word) in short.iter().enumerate() {
            let (block, bit) = (at / 64, 1 << (at % 64));
            let found = places.entry(*word).or_default();
            match found.last_mut() {
                Some(last) if last.0 == block => last.1 |= bit,
                _ => found.push((block, bit)),
            }
        }
        Self { length: short.len(), places, blocks: vec![(u64::MAX, 0); short.len().div_ceil(64)] }
    }

    fn run(mut self, long: &[u32], most: usize) -> Option<usize> {
        let mut score = self.length;
        for (at, word) in long.iter().enumerate() {
            score = score.wrapping_add_signed(self.step(*word));
            // Every word that is left can take back one at most.
            let left = long.len() - at - 1;
            if score > left.saturating_add(most) {
                return None;
            }
        }
        (score <= most).then_some(score)
    }

    /// Goes on by one word; by how much the last row changes.
    fn step(&mut self, word: u32) -> isize {
        let mut places = self.places.get(&word).map(Vec::as_slice).unwrap_or_default();
        let last = self.blocks.len() - 1;
        let mut carry = 1_isize;
        for (block, (up, down)) in self.blocks.iter_mut().enumerate() {
            let mut equal = 0;
            if let Some(((found, bits), rest)) = places.split_first()
                && *found == block
            {
                (equal, places) = (*bits, rest);
            }
            let vertical = equal | *down;
            equal |= u64::from(carry < 0);
            let across = ((equal & *up).wrapping_add(*up) ^ *up) | equal;
            let mut more = *down | !(across | *up);
            let mut less = *up & across;
            let top = if block == last { (self.length - 1) % 64 } else { 63 };
            let out = (more >> top & 1) as isize - (less >> top & 1) as isize;
            more = more << 1 | u64::from(carry > 0);
            less = less << 1 | u64::from(carry < 0);
            *up = less | !(vertical | more);
            *down = more & vertical;
            carry = out;
        }
        carry
    }
}

#[cfg(test)]
mod tests {
    use super::{Words, distance, nearest};
    use proptest::prelude::*;

    fn by_table(one: &[u32], two: &[u32]) -> usize {
        let mut row: Vec<usize> = (0..=two.len()).collect();
        for (at, left) in one.iter().enumerate() {
            let mut before = row[0];
            row[0] = at + 1;
            for (by, right) in two.iter().enumerate() {
                let best = (before + usize::from(left != right)).min(row[by] + 1).min(row[by + 1] + 1);
                before = row[by + 1];
                row[by + 1] = best;
            }
        }
        row[two.len()]
    }

    proptest! {
        #[test]
        fn the_distance_is_the_table_s(
            one in proptest::collection::vec(0_u32..6, 0..200),
            two in proptest::collection::vec(0_u32..6, 0..200),
            most in 0_usize..120,
        ) {
            let wanted = by_table(&one, &two);
            prop_assert_eq!(distance(&one, &two, usize::MAX), Some(wanted));
            prop_assert_eq!(distance(&two, &one, most), (wanted <= most).then_some(wanted));
        }
    }

    #[test]
    fn the_nearest_is_the_first_with_the_least_distance() {
        assert_eq!(nearest(b"a b c", &[b"a x y", b"a b x", b"z b c", b""]), Some(1));
        assert_eq!(nearest(b"a b c", &[b"q", b"a b c", b"a b c"]), Some(1));
        assert_eq!(nearest(b"a", &[]), None);
    }

    #[test]
    fn blank_space_and_comments_are_no_tokens() {
        let mut words = Words::default();
        let one = words.of(b"def f(x):\n    return x+1  # one\n");
        let two = words.of(b"\n\ndef f( x ):\n\treturn x + 1");
        let three = words.of(b"def f(x):\n    return x + 2\n");
        assert_eq!(distance(&one, &two, 9), Some(0));
        assert_eq!(distance(&one, &three, 9), Some(1));
    }
}
