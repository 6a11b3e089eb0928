//! What is kept of a snippet: its fingerprint, and the shingles that similarity is measured with.
//!
//! The fingerprint is a hash of the lines' meanings in order, with local names numbered by first occurrence.
//! Beyond what `expression` evens out within a line, these make no difference to it:
//!
//! | there | not there | why it is safe |
//! |---|---|---|
//! | comments, docstrings, annotations, `pass` | | they do nothing; an annotation's unknown names are kept |
//! | an import of the standard library that nothing uses | | it does nothing that can be seen |
//! | `x = 0` in a function, `x` nowhere else | | it does nothing |
//! | `assert True`, `if False: pass` | | they do nothing |
//! | `x = f(y)`, `return x` | `return f(y)` | `x` ends with the function |
//! | two assignments | the other way round | neither reads or writes what the other writes, and both have no effects |
//!
//! Whether the snippet parses is part of it.

use std::cmp::Ordering;

use super::hash::{Wide, mix};
use super::lines::{Line, Lines, NONE, is_constant};
use super::stacks::Reader;
use super::text::is_formatted;
use super::tokens::{Kind, Token};
use super::values::Locals;
use super::words::{code_of, key, mark};

/// How many tokens a shingle has.
pub const WINDOW: usize = 5;

const NEWLINE: u64 = code_of(2);
const DEEPER: u64 = code_of(3);
const SHALLOWER: u64 = code_of(4);
const STEP: u64 = 0x5851_f42d_4c95_7f2d;
/// `STEP` to the power of `WINDOW`.
const LEAVE: u64 = STEP.wrapping_mul(STEP).wrapping_mul(STEP).wrapping_mul(STEP).wrapping_mul(STEP);
/// Sets of fewer and more members than these are sorted by comparing.
const BUCKETED: (usize, usize) = (16, 256);
/// The most assignments in a row that are put in order together.
const LONGEST_RUN: usize = 16;
/// How many lines, and tokens of each, are looked at to tell two of them apart.
const LOOK_AHEAD: usize = 64;

/// Reads snippets. Kept from one to the next for its memory.
#[derive(Debug, Default)]
pub struct Extractor {
    lines: Lines,
    reader: Reader,
    order: Vec<u32>,
    spare: Vec<u32>,
}

impl Extractor {
    /// The fingerprint of a snippet; its shingles, ascending and each once, are appended to `shingles`.
    pub fn read(&mut self, text: &[u8], shingles: &mut Vec<u32>) -> Wide {
        let fingerprint = self.fingerprint(text);
        self.shingles(shingles);
        fingerprint
    }

    /// Appends the shingles of the snippet whose fingerprint was made last, ascending and each once.
    pub fn shingles(&mut self, shingles: &mut Vec<u32>) {
        let from = shingles.len();
        add_shingles(&self.reader.codes, shingles);
        sort_from(shingles, from, &mut self.spare);
    }

    /// The fingerprint of a snippet.
    pub fn fingerprint(&mut self, text: &[u8]) -> Wide {
        self.lines.read(text);
        self.decide_order(text);
        self.reader.codes.clear();
        let mut fingerprint = self.lines.imports;
        let mut whole = self.lines.clean;
        let mut depth = 0;
        for at in 0..self.order.len() {
            let line = self.lines.lines[self.order[at] as usize];
            self.lines.names.enter(line.scope);
            let steps = if line.depth > depth { DEEPER } else { SHALLOWER };
            self.reader.codes.extend((0..line.depth.abs_diff(depth)).map(|_| steps));
            let meaning = self.reader.line(text, &mut self.lines, &line, Locals::Numbered);
            fingerprint = fingerprint.then(Wide::of(u64::from(line.depth))).then(meaning.hash);
            whole &= meaning.whole;
            depth = line.depth;
            self.reader.codes.push(NEWLINE);
        }
        fingerprint.then(Wide::of(u64::from(whole)))
    }

    /// Which lines count, and in which order.
    fn decide_order(&mut self, text: &[u8]) {
        self.order.clear();
        let mut next: Option<usize> = None;
        for at in (0..self.lines.lines.len()).rev() {
            if self.is_dead(text, at, next) {
                continue;
            }
            if let Some(after) = next.filter(|after| self.is_returned(at, *after)) {
                let line = &mut self.lines.lines[at];
                (line.head, line.first, line.assign) = (key::RETURN, line.assign + 1, NONE);
                let last = self.order.pop();
                debug_assert_eq!(last, Some(after as u32));
            }
            self.order.push(at as u32);
            next = Some(at);
        }
        self.order.reverse();
        self.join_branches();
        self.sort_runs(text);
    }

    /// Turns `else` with nothing but an `if` in it into `elif`.
    fn join_branches(&mut self) {
        let mut at = 0;
        while at + 1 < self.order.len() {
            let (line, next) = (*self.line(at), *self.line(at + 1));
            at += 1;
            if line.head != key::ELSE
                || next.head != key::IF
                || next.depth != line.depth + 1
                || !self.ends_if(at - 1)
            {
                continue;
            }
            let block = self.order[at..].iter().map(|place| &self.lines.lines[*place as usize]);
            let mut length = 0;
            let mut alone = true;
            for inner in block.take_while(|inner| inner.depth > line.depth) {
                alone &=
                    length == 0 || inner.depth > next.depth || matches!(inner.head, key::ELIF | key::ELSE);
                length += 1;
            }
            if alone {
                for place in &self.order[at..at + length] {
                    self.lines.lines[*place as usize].depth -= 1;
                }
                self.lines.lines[self.order[at] as usize].head = key::ELIF;
                self.order.remove(at - 1);
                at -= 1;
            }
        }
    }

    fn line(&self, at: usize) -> &Line {
        &self.lines.lines[self.order[at] as usize]
    }

    /// Whether the `else` at this place belongs to an `if`, not to a loop or `try`.
    fn ends_if(&self, at: usize) -> bool {
        let depth = self.line(at).depth;
        let before = self.order[..at].iter().rev().map(|place| &self.lines.lines[*place as usize]);
        let head = before.into_iter().find(|line| line.depth <= depth);
        head.is_some_and(|line| line.depth == depth && matches!(line.head, key::IF | key::ELIF))
    }

    /// Whether a line does nothing; `next` is the one after it that counts.
    fn is_dead(&self, text: &[u8], at: usize, next: Option<usize>) -> bool {
        let lines = &self.lines;
        let line = &lines.lines[at];
        let tokens = lines.body.get(line.first as usize..line.last as usize).unwrap_or_default();
        match (line.head, tokens) {
            (key::ASSERT, [only]) => only.is_word(key::TRUE),
            (key::IF | key::WHILE, [only]) if only.is_word(key::FALSE) => next.is_none_or(|next| {
                let next = &lines.lines[next];
                next.depth < line.depth
                    || (next.depth == line.depth && !matches!(next.head, key::ELSE | key::ELIF))
            }),
            (0, [target, assign, value @ ..]) if assign.is(mark::ASSIGN) && line.in_function => {
                let constant = match value {
                    [only] => is_constant(text, *only),
                    [sign, only] if sign.is(mark::MINUS) => only.kind == Kind::Number,
                    [open, close] => matches!(
                        (open.code, close.code),
                        (mark::OPEN, mark::CLOSE)
                            | (mark::OPEN_SQUARE, mark::CLOSE_SQUARE)
                            | (mark::OPEN_CURLY, mark::CLOSE_CURLY)
                    ),
                    _ => false,
                };
                constant
                    && target.kind == Kind::Name
                    && target.code == 0
                    && lines.names.get(target.note).uses == 1
                    && !lines.names.reflects
            }
            _ => false,
        }
    }

    /// Whether a line gives a name a value that the next line only returns.
    fn is_returned(&self, at: usize, after: usize) -> bool {
        let lines = &self.lines;
        let (line, next) = (&lines.lines[at], &lines.lines[after]);
        if line.head != 0
            || next.head != key::RETURN
            || line.depth != next.depth
            || !line.in_function
            || lines.declares
        {
            return false;
        }
        let tokens =
            |line: &Line| lines.body.get(line.first as usize..line.last as usize).unwrap_or_default();
        match (tokens(line), tokens(next)) {
            ([target, assign, value @ ..], [only]) => {
                // What is changed and returned is left as it is, however the change is written.
                let changed = value
                    .iter()
                    .any(|token| token.kind == Kind::Name && token.note == target.note && token.code == 0);
                !value.is_empty()
                    && !changed
                    && line.assign == line.first + 1
                    && assign.is(mark::ASSIGN)
                    && target.kind == Kind::Name
                    && (target.code, target.note) == (only.code, only.note)
                    && only.kind == Kind::Name
                    && only.code == 0
            }
            _ => false,
        }
    }

    /// Puts neighbouring assignments that do not touch each other into an order of their own.
    fn sort_runs(&mut self, text: &[u8]) {
        let mut at = 0;
        while at < self.order.len() {
            let depth = self.lines.lines[self.order[at] as usize].depth;
            let mut end = at;
            while end < self.order.len() && end - at < LONGEST_RUN {
                let line = &self.lines.lines[self.order[end] as usize];
                if line.depth != depth || !self.is_assignment(text, line) {
                    break;
                }
                end += 1;
            }
            if end - at > 1 {
                self.sort_run(text, at, end);
            }
            at = end.max(at + 1);
        }
    }

    /// Whether a line assigns to one name and might be moved.
    fn is_assignment(&self, text: &[u8], line: &Line) -> bool {
        let tokens = self.lines.body.get(line.first as usize..line.last as usize).unwrap_or_default();
        line.head == 0
            && line.in_function
            && line.assign == line.first + 1
            && tokens.len() > 2
            && tokens.first().is_some_and(|token| token.kind == Kind::Name && token.code == 0)
            && !tokens.iter().any(|token| token.kind == Kind::Text && is_formatted(text, *token))
    }

    fn sort_run(&mut self, text: &[u8], from: usize, to: usize) {
        let mut hashes = [Wide::default(); LONGEST_RUN];
        let mut start = from;
        for at in from..=to {
            let mut fixed = at == to;
            if !fixed {
                let line = self.lines.lines[self.order[at] as usize];
                self.lines.names.enter(line.scope);
                let meaning = self.reader.line(text, &mut self.lines, &line, Locals::Alike);
                hashes[at - from] = meaning.hash;
                fixed = !meaning.pure;
            }
            if fixed {
                self.sort_free(start, &mut hashes[start - from..at - from]);
                start = at + 1;
            }
        }
    }

    /// Sorts lines that have no effects by their hashes, as far as what they read and write allows.
    fn sort_free(&mut self, from: usize, hashes: &mut [Wide]) {
        let end = from + hashes.len();
        for place in 0..hashes.len() {
            let mut best = place;
            for other in place + 1..hashes.len() {
                let order =
                    hashes[other].cmp(&hashes[best]).then_with(|| self.later(from + other, from + best, end));
                if order.is_lt() && (place..other).all(|before| !self.depend(from + before, from + other)) {
                    best = other;
                }
            }
            hashes[place..=best].rotate_right(1);
            self.order[from + place..=from + best].rotate_right(1);
        }
    }

    /// Which of the targets of two assignments that look alike occurs first behind `end`, where only one does.
    fn later(&self, one: usize, two: usize, end: usize) -> Ordering {
        let target =
            |at: usize| self.lines.body.get(self.line(at).first as usize).map_or(0, |token| token.note);
        let (one, two) = (target(one), target(two));
        for place in self.order.iter().skip(end).take(LOOK_AHEAD) {
            let line = &self.lines.lines[*place as usize];
            let tokens = self.lines.body.get(line.first as usize..line.last as usize).unwrap_or_default();
            let has = |place: u32| {
                let mut near = tokens.iter().take(LOOK_AHEAD);
                near.any(|token| token.kind == Kind::Name && token.code == 0 && token.note == place)
            };
            match (has(one), has(two)) {
                (true, false) => return Ordering::Less,
                (false, true) => return Ordering::Greater,
                _ => {}
            }
        }
        Ordering::Equal
    }

    /// Whether one of two assignments reads or writes what the other writes.
    fn depend(&self, one: usize, two: usize) -> bool {
        let tokens = |at: usize| {
            let line = &self.lines.lines[self.order[at] as usize];
            self.lines.body.get(line.first as usize..line.last as usize).unwrap_or_default()
        };
        let (one, two) = (tokens(one), tokens(two));
        let has = |tokens: &[Token], place: u32| {
            tokens.iter().any(|token| token.kind == Kind::Name && token.code == 0 && token.note == place)
        };
        match (one.first(), two.first()) {
            (Some(first), Some(second)) => has(two, first.note) || has(one, second.note),
            _ => true,
        }
    }
}

/// Adds the shingles of a stream of tokens; the one of all tokens if there are too few.
fn add_shingles(codes: &[u64], shingles: &mut Vec<u32>) {
    let (head, tail) = codes.split_at(codes.len().min(WINDOW));
    let mut hash = head.iter().fold(0_u64, |hash, code| hash.wrapping_mul(STEP).wrapping_add(*code));
    let shown = |hash: u64| (mix(hash, LEAVE) >> 32) as u32;
    if !head.is_empty() {
        shingles.push(shown(hash));
    }
    shingles.extend(codes.iter().zip(tail).map(|(oldest, newest)| {
        hash = hash.wrapping_mul(STEP).wrapping_add(*newest).wrapping_sub(oldest.wrapping_mul(LEAVE));
        shown(hash)
    }));
}

/// Sorts what comes from there on, and keeps each value once.
fn sort_from(values: &mut Vec<u32>, from: usize, spare: &mut Vec<u32>) {
    let Some(tail) = values.get_mut(from..) else { return };
    if (BUCKETED.0..BUCKETED.1).contains(&tail.len()) {
        scatter(tail, spare);
    } else {
        tail.sort_unstable();
    }
    let mut kept = from;
    for at in from..values.len() {
        if at == from || values[at] != values[kept - 1] {
            values[kept] = values[at];
            kept += 1;
        }
    }
    values.truncate(kept);
}

/// Sorts values that are spread evenly: into some more buckets than there are, then each past its neighbours.
fn scatter(values: &mut [u32], spare: &mut Vec<u32>) {
    let shift = (values.len() as u32).leading_zeros() - 1;
    let mut ends = [0_u16; 2 * BUCKETED.1];
    for value in &*values {
        ends[(value >> shift) as usize] += 1;
    }
    let mut total = 0;
    for end in &mut ends[..1 << (32 - shift)] {
        total += *end;
        *end = total;
    }
    spare.clear();
    spare.extend_from_slice(values);
    for value in spare.iter().rev() {
        let end = &mut ends[(value >> shift) as usize];
        *end -= 1;
        values[usize::from(*end)] = *value;
    }
    for at in 1..values.len() {
        let value = values[at];
        let mut to = at;
        while to > 0 && values[to - 1] > value {
            values[to] = values[to - 1];
            to -= 1;
        }
        values[to] = value;
    }
}

#[cfg(test)]
mod tests {
    use super::sort_from;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn values_are_sorted_and_there_once(mut values in proptest::collection::vec(any::<u32>(), 0..700), from in 0_usize..9) {
            let copy = values.clone();
            values.extend_from_slice(&copy[copy.len() / 2..]);
            let from = from.min(values.len());
            let mut wanted = values[from..].to_vec();
            wanted.sort_unstable();
            wanted.dedup();
            sort_from(&mut values, from, &mut Vec::new());
            prop_assert_eq!(&values[from..], wanted);
            prop_assert_eq!(&values[..from.min(copy.len())], &copy[..from.min(copy.len())]);
        }
    }
}
