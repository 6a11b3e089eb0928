//! Values kept only to be shown: no larger than what can be seen of them.

use crate::value::Value;

/// How many values, and how many bytes of text, are kept of one value. Far more than is shown: members of
/// sets are shown in an order of their own, not in the one in which they came.
const VALUES: usize = 1 << 14;
const BYTES: usize = 1 << 16;
/// The bytes of an integer that Python refuses to write out, as all longer ones.
const INTEGER: usize = 4096;

/// What is needed of a value to show its beginning. Equal values give equal ones.
#[must_use]
pub fn shortened(value: Value) -> Value {
    let (mut values, mut bytes) = (VALUES, BYTES);
    if fits(&value, &mut values, &mut bytes) {
        return value;
    }
    let (mut values, mut bytes) = (VALUES, BYTES);
    cut(value, &mut values, &mut bytes)
}

/// The bytes that a value holds, about.
#[must_use]
pub fn weight(value: &Value) -> usize {
    let all = |items: &[Value]| items.iter().map(weight).sum();
    size_of::<Value>()
        + match value {
            Value::BigInt(bytes) | Value::Str(bytes) | Value::Bytes(bytes) | Value::ByteArray(bytes) => {
                bytes.len()
            }
            Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
                all(items)
            }
            Value::Dict(items) => items.iter().map(|(key, value)| weight(key) + weight(value)).sum(),
            _ => 0,
        }
}

fn fits(value: &Value, values: &mut usize, bytes: &mut usize) -> bool {
    let Some(left) = values.checked_sub(1) else {
        return false;
    };
    *values = left;
    match value {
        Value::BigInt(data) | Value::Str(data) | Value::Bytes(data) | Value::ByteArray(data) => {
            bytes.checked_sub(data.len()).map(|left| *bytes = left).is_some()
        }
        Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
            items.iter().all(|item| fits(item, values, bytes))
        }
        Value::Dict(items) => {
            items.iter().all(|(key, value)| fits(key, values, bytes) && fits(value, values, bytes))
        }
        _ => true,
    }
}

fn cut(value: Value, values: &mut usize, bytes: &mut usize) -> Value {
    *values = values.saturating_sub(1);
    let mut text = |mut data: Vec<u8>, whole: bool| {
        let mut length = data.len().min(*bytes);
        while whole && data.get(length).is_some_and(|byte| byte & 0xc0 == 0x80) {
            length -= 1;
        }
        *bytes -= length;
        data.truncate(length);
        data.shrink_to_fit();
        data
    };
    match value {
        Value::Str(data) => Value::Str(text(data, true)),
        Value::Bytes(data) => Value::Bytes(text(data, false)),
        Value::ByteArray(data) => Value::ByteArray(text(data, false)),
        Value::BigInt(data) if data.len() > INTEGER => Value::BigInt(data[data.len() - INTEGER..].to_vec()),
        Value::List(items) => Value::List(cut_all(items, values, bytes)),
        Value::Tuple(items) => Value::Tuple(cut_all(items, values, bytes)),
        Value::Set(items) => Value::Set(cut_all(items, values, bytes)),
        Value::FrozenSet(items) => Value::FrozenSet(cut_all(items, values, bytes)),
        Value::Dict(items) => {
            let mut kept = Vec::new();
            for (key, value) in items {
                if *values == 0 {
                    break;
                }
                kept.push((cut(key, values, bytes), cut(value, values, bytes)));
            }
            Value::Dict(kept)
        }
        leaf => leaf,
    }
}

fn cut_all(items: Vec<Value>, values: &mut usize, bytes: &mut usize) -> Vec<Value> {
    let mut kept = Vec::new();
    for item in items {
        if *values == 0 {
            break;
        }
        kept.push(cut(item, values, bytes));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{shortened, weight};
    use crate::value::Value;

    #[test]
    fn what_is_small_stays_whole() {
        let value = Value::List(vec![Value::text("a"), Value::Dict(vec![(Value::Int(1), Value::None)])]);
        assert_eq!(shortened(value.clone()), value);
    }

    #[test]
    fn what_is_large_becomes_small() {
        let list = |item: Value| Value::List(vec![item; 1 << 19]);
        let text = Value::text(&"é".repeat(1 << 20));
        for value in [list(Value::None), list(Value::List(vec![])), text, Value::BigInt(vec![7; 1 << 22])] {
            let short = shortened(value);
            assert!(weight(&short) < 2 << 20);
            assert!(crate::equality::is_genuine(&short));
        }
    }
}
