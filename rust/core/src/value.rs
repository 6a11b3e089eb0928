//! The closed set of values that may travel between processes, and their encoding.
//!
//! Decoding never executes anything, survives any bytes, and bounds depth, node count and, through the
//! length of its input, memory. Text is kept as bytes (UTF-8 in which lone surrogates may occur), because
//! Python strings may hold what Rust strings may not.

use crate::error::{Error, Result};

/// The deepest nesting that travels.
pub const MAX_DEPTH: usize = 200;
/// The most values that one message may hold.
pub const MAX_NODES: usize = 1 << 20;
/// The most bytes that one message may have.
pub const MAX_BYTES: usize = 16 << 20;

/// For how many members memory is reserved before they have been seen.
const RESERVED: usize = 32;

/// A plain value: no identity, no behaviour.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `None`
    None,
    /// `True` or `False`
    Bool(bool),
    /// An integer that fits.
    Int(i64),
    /// An integer that does not fit: two's complement, little endian.
    BigInt(Vec<u8>),
    /// A float, bit for bit.
    Float(f64),
    /// A complex number.
    Complex(f64, f64),
    /// Text, as UTF-8 in which lone surrogates may occur.
    Str(Vec<u8>),
    /// Immutable bytes.
    Bytes(Vec<u8>),
    /// Mutable bytes.
    ByteArray(Vec<u8>),
    /// A list.
    List(Vec<Self>),
    /// A tuple.
    Tuple(Vec<Self>),
    /// A dictionary, in insertion order.
    Dict(Vec<(Self, Self)>),
    /// A set.
    Set(Vec<Self>),
    /// A frozen set.
    FrozenSet(Vec<Self>),
    /// A range: start, stop, step.
    Range(i64, i64, i64),
}

impl Value {
    /// A text value.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Str(text.as_bytes().to_vec())
    }

    /// The bytes of this value's encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        self.encode_into(&mut out);
        out
    }

    /// Appends this value's encoding. Sets are written in the order of their members' encodings, so that
    /// equal sets have equal bytes.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        match self {
            Self::None => out.push(b'N'),
            Self::Bool(flag) => out.push(if *flag { b'T' } else { b'F' }),
            Self::Int(number) => {
                out.push(b'i');
                out.extend_from_slice(&number.to_le_bytes());
            }
            Self::BigInt(bytes) => put_bytes(out, b'I', bytes),
            Self::Float(number) => {
                out.push(b'f');
                put_float(out, *number);
            }
            Self::Complex(real, imaginary) => {
                out.push(b'c');
                put_float(out, *real);
                put_float(out, *imaginary);
            }
            Self::Str(bytes) => put_bytes(out, b's', bytes),
            Self::Bytes(bytes) => put_bytes(out, b'b', bytes),
            Self::ByteArray(bytes) => put_bytes(out, b'a', bytes),
            Self::List(items) => put_items(out, b'l', items),
            Self::Tuple(items) => put_items(out, b't', items),
            Self::Dict(items) => {
                put_length(out, b'd', items.len());
                for (key, value) in items {
                    key.encode_into(out);
                    value.encode_into(out);
                }
            }
            Self::Set(items) => put_sorted(out, b'S', items),
            Self::FrozenSet(items) => put_sorted(out, b'Z', items),
            Self::Range(start, stop, step) => {
                out.push(b'r');
                for number in [start, stop, step] {
                    out.extend_from_slice(&number.to_le_bytes());
                }
            }
        }
    }

    /// The value that `bytes` encode.
    ///
    /// # Errors
    /// The bytes are not exactly one value within the limits.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut nodes = MAX_NODES;
        Self::decode_within(bytes, &mut nodes)
    }

    /// The value that `bytes` encode, if it holds no more values than are left; then fewer are.
    ///
    /// # Errors
    /// The bytes are not exactly one value within the limits.
    pub fn decode_within(bytes: &[u8], nodes: &mut usize) -> Result<Self> {
        let most = (*nodes).min(MAX_NODES);
        let mut reader = Reader { bytes, nodes: most };
        let value = reader.value(MAX_DEPTH)?;
        *nodes -= most - reader.nodes;
        if reader.bytes.is_empty() { Ok(value) } else { Err(Error::Malformed("trailing bytes")) }
    }

    /// The members of a tuple or list.
    #[must_use]
    pub fn items(&self) -> Option<&[Self]> {
        match self {
            Self::Tuple(items) | Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The integer, if this is a small one.
    #[must_use]
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The text with anything that is not Unicode replaced; empty if this is not text.
    #[must_use]
    pub fn lossy(&self) -> String {
        match self {
            Self::Str(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        }
    }
}

fn put_length(out: &mut Vec<u8>, tag: u8, length: usize) {
    out.push(tag);
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    put_length(out, tag, bytes.len());
    out.extend_from_slice(bytes);
}

fn put_items(out: &mut Vec<u8>, tag: u8, items: &[Value]) {
    put_length(out, tag, items.len());
    for item in items {
        item.encode_into(out);
    }
}

fn put_sorted(out: &mut Vec<u8>, tag: u8, items: &[Value]) {
    put_length(out, tag, items.len());
    let mut encoded: Vec<Vec<u8>> = items.iter().map(Value::encode).collect();
    encoded.sort_unstable();
    for item in encoded {
        out.extend_from_slice(&item);
    }
}

fn put_float(out: &mut Vec<u8>, number: f64) {
    let number = if number.is_nan() { f64::NAN } else { number };
    out.extend_from_slice(&number.to_bits().to_le_bytes());
}

struct Reader<'a> {
    bytes: &'a [u8],
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.bytes.split_at_checked(count).ok_or(Error::Malformed("cut off"))?;
        self.bytes = tail;
        Ok(head)
    }

    fn eight(&mut self) -> Result<[u8; 8]> {
        let mut out = [0; 8];
        out.copy_from_slice(self.take(8)?);
        Ok(out)
    }

    fn int(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.eight()?))
    }

    fn float(&mut self) -> Result<f64> {
        Ok(f64::from_bits(u64::from_le_bytes(self.eight()?)))
    }

    fn length(&mut self) -> Result<usize> {
        let mut out = [0; 4];
        out.copy_from_slice(self.take(4)?);
        let length = u32::from_le_bytes(out) as usize;
        if length > self.bytes.len() {
            return Err(Error::Malformed("length beyond the message"));
        }
        Ok(length)
    }

    fn blob(&mut self) -> Result<Vec<u8>> {
        let length = self.length()?;
        Ok(self.take(length)?.to_vec())
    }

    fn many(&mut self, depth: usize) -> Result<Vec<Value>> {
        let length = self.length()?;
        let mut items = Vec::with_capacity(length.min(RESERVED));
        for _ in 0..length {
            items.push(self.value(depth)?);
        }
        Ok(items)
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        let depth = depth.checked_sub(1).ok_or(Error::Malformed("too deep"))?;
        self.nodes = self.nodes.checked_sub(1).ok_or(Error::Malformed("too many values"))?;
        Ok(match self.take(1)?[0] {
            b'N' => Value::None,
            b'T' => Value::Bool(true),
            b'F' => Value::Bool(false),
            b'i' => Value::Int(self.int()?),
            b'I' => Value::BigInt(self.blob()?),
            b'f' => Value::Float(self.float()?),
            b'c' => Value::Complex(self.float()?, self.float()?),
            b's' => Value::Str(self.blob()?),
            b'b' => Value::Bytes(self.blob()?),
            b'a' => Value::ByteArray(self.blob()?),
            b'l' => Value::List(self.many(depth)?),
            b't' => Value::Tuple(self.many(depth)?),
            b'S' => Value::Set(self.many(depth)?),
            b'Z' => Value::FrozenSet(self.many(depth)?),
            b'd' => {
                let length = self.length()?;
                let mut items = Vec::with_capacity(length.min(RESERVED));
                for _ in 0..length {
                    items.push((self.value(depth)?, self.value(depth)?));
                }
                Value::Dict(items)
            }
            b'r' => {
                let (start, stop, step) = (self.int()?, self.int()?, self.int()?);
                if step == 0 {
                    return Err(Error::Malformed("a range without a step"));
                }
                Value::Range(start, stop, step)
            }
            _ => return Err(Error::Malformed("unknown tag")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_DEPTH, Value};
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::None),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            any::<f64>().prop_filter("comparable", |number| !number.is_nan()).prop_map(Value::Float),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(Value::Bytes),
            ".*".prop_map(|text: String| Value::text(&text)),
            (any::<i64>(), any::<i64>(), 1_i64..9).prop_map(|(a, b, c)| Value::Range(a, b, c)),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::List),
                proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::Tuple),
                proptest::collection::vec((inner.clone(), inner), 0..8).prop_map(Value::Dict),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(value in values()) {
            prop_assert_eq!(Value::decode(&value.encode()).ok(), Some(value));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(Value::decode(&bytes));
        }

        #[test]
        fn damaged_messages_are_survived(value in values(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = value.encode();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            drop(Value::decode(&bytes));
        }

        #[test]
        fn a_cut_message_is_refused(value in values(), at in any::<prop::sample::Index>()) {
            let bytes = value.encode();
            prop_assert!(Value::decode(&bytes[..at.index(bytes.len())]).is_err());
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        let mut value = Value::None;
        for _ in 0..MAX_DEPTH {
            value = Value::List(vec![value]);
        }
        assert!(Value::decode(&value.encode()).is_err());
        let bomb = b"l\x01\0\0\0".repeat(1 << 20);
        assert!(Value::decode(&bomb).is_err());
    }

    #[test]
    fn long_lengths_reserve_no_memory() {
        assert!(Value::decode(b"l\xff\xff\xff\xff").is_err());
        assert!(Value::decode(b"s\xff\xff\xff\x7fabc").is_err());
    }

    #[test]
    fn equal_sets_have_equal_bytes() {
        let one = Value::Set(vec![Value::Int(1), Value::Int(2)]);
        let two = Value::Set(vec![Value::Int(2), Value::Int(1)]);
        assert_eq!(one.encode(), two.encode());
    }
}
