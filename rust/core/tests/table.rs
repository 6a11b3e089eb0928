//! What a table is read from, and what its checks find.

use proptest::prelude::*;

use forge_core::table::{Check, Raised, Table};
use forge_core::value::Value;

fn texts(message: Value) -> Vec<Value> {
    vec![Value::text("f(1)"), Value::text("2"), Value::text("f(1)"), message]
}

fn step(kind: &str, operand: Value, tolerance: f64) -> Value {
    let call = vec![Value::text("f"), Value::Tuple(vec![Value::Int(1)]), Value::Dict(vec![])];
    let check = vec![Value::text(kind), operand, Value::Float(tolerance)];
    Value::Tuple([call, check, texts(Value::text(""))].concat())
}

fn table(step: Value) -> Value {
    let probe = Value::Tuple(vec![Value::text("g"), Value::Tuple(vec![]), Value::Dict(vec![])]);
    Value::Tuple(vec![Value::List(vec![Value::List(vec![step])]), Value::List(vec![probe])])
}

fn check(kind: &str, operand: Value, tolerance: f64) -> Check {
    let read = Table::from_value(&table(step(kind, operand, tolerance))).unwrap_or_default();
    read.tests[0][0].check.clone()
}

fn error(exception: &str, message: &str) -> Result<bool, Raised> {
    Err(Raised { exception: exception.to_owned(), message: message.to_owned() })
}

#[test]
fn a_table_is_read() {
    let read = Table::from_value(&table(step("eq", Value::Int(2), 0.0))).unwrap_or_default();
    assert_eq!(read.calls().map(|call| call.function.as_slice()).collect::<Vec<_>>(), [b"f", b"g"]);
    assert_eq!(read.tests[0][0].check, Check::Equal(Value::Int(2)));
    assert_eq!(read.tests[0][0].message.as_deref(), Some(""));
}

#[test]
fn anything_else_is_refused() {
    for bad in [
        step("gt", Value::Int(2), 0.0),
        step("is", Value::Int(2), 0.0),
        step("near<", Value::Bool(true), 0.0),
        step("near<", Value::None, 0.0),
        Value::Tuple(vec![]),
        Value::None,
    ] {
        assert!(Table::from_value(&table(bad)).is_err());
    }
}

#[test]
fn singletons_are_told_from_what_equals_them() {
    assert_eq!(check("is", Value::Bool(true), 0.0).holds(&Value::Int(1)), Ok(false));
    assert_eq!(check("is", Value::Bool(true), 0.0).holds(&Value::Bool(true)), Ok(true));
    assert_eq!(check("is not", Value::None, 0.0).holds(&Value::Bool(false)), Ok(true));
    assert_eq!(check("ne", Value::Bool(true), 0.0).holds(&Value::Float(1.0)), Ok(false));
}

#[test]
fn only_empty_and_zero_are_false() {
    let falsy = [
        Value::None,
        Value::Int(0),
        Value::Float(-0.0),
        Value::Complex(0.0, -0.0),
        Value::ByteArray(vec![]),
        Value::FrozenSet(vec![]),
        Value::Range(i64::MIN, i64::MIN, -1),
    ];
    let truthy = [
        Value::Float(f64::NAN),
        Value::Complex(0.0, f64::MIN_POSITIVE),
        Value::Tuple(vec![Value::None]),
        Value::Range(i64::MIN, i64::MAX, i64::MAX),
        Value::Range(0, -1, i64::MIN),
    ];
    assert!(falsy.iter().all(|value| Check::False.holds(value) == Ok(true)));
    assert!(truthy.iter().all(|value| Check::True.holds(value) == Ok(true)));
}

#[test]
fn a_check_raises_what_python_raises() {
    let near = check("near<", Value::Float(2.0), 0.5);
    let unsupported = "unsupported operand type(s) for -: ";
    let text = |operands: &str| format!("{unsupported}{operands}");
    assert_eq!(near.holds(&Value::None), error("TypeError", &text("'NoneType' and 'float'")));
    let turned = check("rnear<", Value::Int(2), 0.5);
    assert_eq!(turned.holds(&Value::List(vec![])), error("TypeError", &text("'int' and 'list'")));
    let huge = Value::BigInt([vec![0; 128], vec![1, 0]].concat());
    assert_eq!(near.holds(&huge), error("OverflowError", "int too large to convert to float"));
    assert_eq!(turned.holds(&huge), Ok(false));
    let far = Value::Complex(f64::MAX, f64::MAX);
    assert_eq!(near.holds(&far), error("OverflowError", "absolute value too large"));
}

#[test]
fn whole_numbers_are_subtracted_exactly() {
    let big = Value::Int((1 << 60) + 1);
    assert_eq!(check("near<=", Value::Int(1), (1_u64 << 60) as f64).holds(&big), Ok(true));
    assert_eq!(check("near<", Value::Int(1), (1_u64 << 60) as f64).holds(&big), Ok(false));
    assert_eq!(check("near<=", Value::Int(0), (1_u64 << 60) as f64).holds(&big), Ok(false));
    assert_eq!(check("near<=", Value::Float(0.0), (1_u64 << 60) as f64).holds(&big), Ok(true));
    assert_eq!(check("near<", Value::Int(0), f64::NAN).holds(&Value::Bool(false)), Ok(false));
    assert_eq!(check("near<", Value::Int(0), 0.5).holds(&Value::Bool(false)), Ok(true));
}

proptest! {
    #[test]
    fn damaged_tables_are_survived(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = table(step("near<", Value::Int(2), 0.5)).encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = Value::decode(&bytes).and_then(|value| Table::from_value(&value)) {
            drop(read.tests.iter().flatten().map(|step| step.check.holds(&Value::Int(1))).collect::<Vec<_>>());
        }
    }
}
