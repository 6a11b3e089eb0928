//! What `==` means between plain values in Python, and which values Python could hold.
//!
//! Members of sets and items of dictionaries are compared by numbers: equal values are given the same number
//! (`Numbering`), from the inside out, so that the work grows with the size of the values and not with its
//! square. There is no identity: a NaN equals nothing, not even inside a container.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::integer;
use crate::value::Value;

const SMALLEST: f64 = i64::MIN as f64;

/// A number, the same for all plain values that equal it.
#[derive(PartialEq, Eq, Hash)]
enum Number<'a> {
    Small(i64),
    Big(Cow<'a, [u8]>),
    /// The bits of a float that is no whole number.
    Float(u64),
    /// The bits of a complex number off the real line.
    Complex(u64, u64),
}

impl<'a> Number<'a> {
    /// The number that a value is; `None` for anything else and for what equals nothing.
    fn of(value: &'a Value) -> Option<Self> {
        match value {
            Value::Bool(flag) => Some(Self::Small(i64::from(*flag))),
            Value::Int(number) => Some(Self::Small(*number)),
            Value::BigInt(bytes) => Some(
                integer::small(bytes)
                    .map_or_else(|| Self::Big(Cow::Borrowed(integer::minimal(bytes))), Self::Small),
            ),
            Value::Float(number) => Self::of_float(*number),
            Value::Complex(real, imaginary) if *imaginary == 0.0 => Self::of_float(*real),
            Value::Complex(real, imaginary) if real.is_nan() || imaginary.is_nan() => None,
            // Adding zero takes the sign from zeros.
            Value::Complex(real, imaginary) => {
                Some(Self::Complex((real + 0.0).to_bits(), (imaginary + 0.0).to_bits()))
            }
            _ => None,
        }
    }

    fn of_float(number: f64) -> Option<Self> {
        if number.is_nan() {
            None
        } else if number.is_infinite() || number.fract() != 0.0 {
            Some(Self::Float(number.to_bits()))
        } else if (SMALLEST..-SMALLEST).contains(&number) {
            Some(Self::Small(number as i64))
        } else {
            Some(Self::Big(Cow::Owned(integer::from_float(number))))
        }
    }
}

/// What makes a value equal to others, its members replaced by their numbers.
#[derive(PartialEq, Eq, Hash)]
enum Node<'a> {
    None,
    Number(Number<'a>),
    Text(&'a [u8]),
    Bytes(&'a [u8]),
    Range(u64, i64, i64),
    List(Vec<u32>),
    Tuple(Vec<u32>),
    Set(Vec<u32>),
    Dict(Vec<(u32, u32)>),
}

/// Gives equal values equal numbers.
#[derive(Default)]
struct Numbering<'a> {
    known: HashMap<Node<'a>, u32>,
    next: u32,
}

impl<'a> Numbering<'a> {
    fn fresh(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn number(&mut self, node: Node<'a>) -> u32 {
        let next = self.next + 1;
        let number = *self.known.entry(node).or_insert(next);
        self.next = self.next.max(number);
        number
    }

    /// The number of a value that has no members; `None` where it may have some.
    fn leaf(&mut self, value: &'a Value) -> Option<u32> {
        let node = match value {
            Value::None => Node::None,
            Value::Str(text) => Node::Text(text),
            Value::Bytes(bytes) | Value::ByteArray(bytes) => Node::Bytes(bytes),
            Value::Range(start, stop, step) => {
                let (length, start, step) = sequence(*start, *stop, *step);
                Node::Range(length, start, step)
            }
            Value::List(_) | Value::Tuple(_) | Value::Dict(_) | Value::Set(_) | Value::FrozenSet(_) => {
                return None;
            }
            number => match Number::of(number) {
                Some(number) => Node::Number(number),
                None => return Some(self.fresh()),
            },
        };
        Some(self.number(node))
    }

    fn any(&mut self, value: &'a Value) -> u32 {
        if let Some(number) = self.leaf(value) {
            return number;
        }
        let node = match value {
            Value::Dict(items) => {
                let mut pairs: Vec<_> =
                    items.iter().map(|(key, value)| (self.any(key), self.any(value))).collect();
                pairs.sort_unstable();
                Node::Dict(pairs)
            }
            Value::Set(members) | Value::FrozenSet(members) => {
                let mut numbers = self.all(members);
                numbers.sort_unstable();
                Node::Set(numbers)
            }
            Value::Tuple(items) => Node::Tuple(self.all(items)),
            Value::List(items) => Node::List(self.all(items)),
            _ => return self.fresh(),
        };
        self.number(node)
    }

    fn all(&mut self, values: &'a [Value]) -> Vec<u32> {
        values.iter().map(|value| self.any(value)).collect()
    }

    fn equal(&mut self, left: &'a Value, right: &'a Value) -> bool {
        use Value::{ByteArray, Bytes, Dict, FrozenSet, Int, List, None, Range, Set, Str, Tuple};
        match (left, right) {
            (None, None) => true,
            (Int(left), Int(right)) => left == right,
            (Str(left), Str(right)) => left == right,
            (Bytes(left) | ByteArray(left), Bytes(right) | ByteArray(right)) => left == right,
            (List(left), List(right)) | (Tuple(left), Tuple(right)) => {
                left.len() == right.len()
                    && left.iter().zip(right).all(|(left, right)| self.equal(left, right))
            }
            (Set(ours) | FrozenSet(ours), Set(theirs) | FrozenSet(theirs)) => {
                ours.len() == theirs.len() && self.any(left) == self.any(right)
            }
            (Dict(ours), Dict(theirs)) => ours.len() == theirs.len() && self.any(left) == self.any(right),
            (Range(..), Range(..)) => self.any(left) == self.any(right),
            _ => match (Number::of(left), Number::of(right)) {
                (Some(left), Some(right)) => left == right,
                _ => false,
            },
        }
    }
}

/// What makes ranges equal: their length, the first number if there is one, the step if it is ever taken.
fn sequence(start: i64, stop: i64, step: i64) -> (u64, i64, i64) {
    let (first, last) = if step < 0 { (stop, start) } else { (start, stop) };
    let span = i128::from(last) - i128::from(first);
    let length = match u64::try_from(span) {
        Ok(span) if span > 0 => (span - 1) / step.unsigned_abs().max(1) + 1,
        _ => 0,
    };
    (length, if length > 0 { start } else { 0 }, if length > 1 { step } else { 0 })
}

/// How many numbers a range holds.
pub(crate) fn range_length(start: i64, stop: i64, step: i64) -> u64 {
    sequence(start, stop, step).0
}

/// Whether Python says `left == right` of two values that share no object.
#[must_use]
pub fn equal(left: &Value, right: &Value) -> bool {
    Numbering::default().equal(left, right)
}

/// The values that two dictionaries hold under equal keys; none if their keys are not the same.
pub(crate) fn paired<'a>(
    left: &'a [(Value, Value)],
    right: &'a [(Value, Value)],
) -> Option<Vec<(&'a Value, &'a Value)>> {
    let mut numbering = Numbering::default();
    let known: HashMap<u32, &Value> = right.iter().map(|(key, value)| (numbering.any(key), value)).collect();
    if left.len() != right.len() {
        return None;
    }
    left.iter().map(|(key, value)| Some((value, *known.get(&numbering.any(key))?))).collect()
}

/// Whether Python could hold the value and would have sent it in this form: members of sets and keys of
/// dictionaries hashable and pairwise different, integers in their one form, text made of code points.
#[must_use]
pub fn is_genuine(value: &Value) -> bool {
    Inspection::default().holds(value)
}

#[derive(Default)]
struct Inspection<'a> {
    numbering: Numbering<'a>,
}

impl<'a> Inspection<'a> {
    fn holds(&mut self, value: &'a Value) -> bool {
        match value {
            Value::List(items) | Value::Tuple(items) => items.iter().all(|item| self.holds(item)),
            Value::Dict(items) => {
                self.different(items.iter().map(|(key, _)| key)).is_some()
                    && items.iter().all(|(_, value)| self.holds(value))
            }
            Value::Set(members) | Value::FrozenSet(members) => self.different(members.iter()).is_some(),
            leaf => is_genuine_leaf(leaf),
        }
    }

    /// The numbers of keys, in order, if all are hashable and no two equal.
    fn different(&mut self, keys: impl Iterator<Item = &'a Value>) -> Option<Vec<u32>> {
        let mut numbers = keys.map(|key| self.key(key)).collect::<Option<Vec<_>>>()?;
        numbers.sort_unstable();
        numbers.windows(2).all(|pair| pair[0] != pair[1]).then_some(numbers)
    }

    /// The number of a value that is genuine and hashable. Each is looked at once, however deep it lies.
    fn key(&mut self, value: &'a Value) -> Option<u32> {
        match value {
            Value::Tuple(items) => {
                let numbers = items.iter().map(|item| self.key(item)).collect::<Option<Vec<_>>>()?;
                Some(self.numbering.number(Node::Tuple(numbers)))
            }
            Value::FrozenSet(members) => {
                let numbers = self.different(members.iter())?;
                Some(self.numbering.number(Node::Set(numbers)))
            }
            Value::ByteArray(_) => None,
            leaf => is_genuine_leaf(leaf).then(|| self.numbering.leaf(leaf)).flatten(),
        }
    }
}

fn is_genuine_leaf(value: &Value) -> bool {
    match value {
        Value::BigInt(bytes) => integer::is_canonical(bytes),
        Value::Str(bytes) => is_text(bytes),
        Value::Range(_, _, step) => *step != 0,
        _ => true,
    }
}

/// Whether bytes are UTF-8 in which surrogates may stand alone.
fn is_text(mut bytes: &[u8]) -> bool {
    while let Err(error) = std::str::from_utf8(bytes) {
        bytes = match bytes.get(error.valid_up_to()..) {
            Some([0xed, 0xa0..=0xbf, 0x80..=0xbf, rest @ ..]) => rest,
            _ => return false,
        };
    }
    true
}
