//! Plain values written out as Python does, members of sets in one order on every run.

use forge_core::table::Call;
use forge_core::text::without_addresses;
use forge_core::value::Value;
use pyo3::prelude::*;

use crate::convert::to_object;

/// Longer texts and containers are not written out whole.
const MOST: usize = 20_000;

/// The representation of a value.
pub fn shown(py: Python<'_>, value: &Value) -> String {
    let mut out = String::new();
    write(py, value, &mut out);
    without_addresses(&out)
}

/// A call as Python writes one.
pub fn shown_call(py: Python<'_>, call: &Call) -> String {
    let mut parts: Vec<String> =
        call.arguments.items().unwrap_or_default().iter().map(|value| shown(py, value)).collect();
    if let Value::Dict(named) = &call.named {
        parts.extend(named.iter().map(|(key, value)| format!("{}={}", key.lossy(), shown(py, value))));
    }
    format!("{}({})", String::from_utf8_lossy(&call.function), parts.join(", "))
}

fn write(py: Python<'_>, value: &Value, out: &mut String) {
    if out.len() > MOST {
        return;
    }
    match value {
        Value::List(items) => members(py, "[", items, "]", out),
        Value::Tuple(items) if items.len() == 1 => members(py, "(", items, ",)", out),
        Value::Tuple(items) => members(py, "(", items, ")", out),
        Value::Set(items) if items.is_empty() => out.push_str("set()"),
        Value::FrozenSet(items) if items.is_empty() => out.push_str("frozenset()"),
        Value::Set(items) => set(py, "{", items, "}", out),
        Value::FrozenSet(items) => set(py, "frozenset({", items, "})", out),
        Value::Dict(items) => {
            out.push('{');
            for (place, (key, value)) in items.iter().enumerate() {
                out.push_str(if place > 0 { ", " } else { "" });
                write(py, key, out);
                out.push_str(": ");
                write(py, value, out);
            }
            out.push('}');
        }
        leaf => match to_object(py, leaf).and_then(|object| object.repr()) {
            Ok(text) => out.push_str(&text.to_string_lossy()),
            Err(_) => out.push_str("<int>"),
        },
    }
}

fn members(py: Python<'_>, open: &str, items: &[Value], close: &str, out: &mut String) {
    out.push_str(open);
    for (place, item) in items.iter().enumerate() {
        out.push_str(if place > 0 { ", " } else { "" });
        write(py, item, out);
        if out.len() > MOST {
            break;
        }
    }
    out.push_str(close);
}

/// Members in Python's own order where they have one, else in that of their representations. Each is written
/// once, however deep it lies.
fn set(py: Python<'_>, open: &str, items: &[Value], close: &str, out: &mut String) {
    let ints = items.iter().all(|item| matches!(item, Value::Int(_)));
    let texts = items.iter().all(|item| matches!(item, Value::Str(_)));
    if ints || texts {
        let mut items = items.to_vec();
        if ints {
            items.sort_unstable_by_key(Value::int);
        } else {
            items.sort_unstable_by_key(Value::encode);
            items.sort_by_key(Value::lossy);
        }
        return members(py, open, &items, close, out);
    }
    let mut written: Vec<String> = items.iter().map(|item| shown(py, item)).collect();
    written.sort_unstable();
    out.push_str(open);
    out.push_str(&written.join(", "));
    out.push_str(close);
}
