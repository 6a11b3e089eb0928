//! Whatever is said of a job: reading it never fails, and a pass is never concluded but from tests that held.

use proptest::prelude::*;

use forge_core::config::Tests;
use forge_core::report::{Finish, Report};
use forge_core::table::{Check, Table};
use forge_core::value::Value;

const TOKEN: &[u8] = b"0123456789abcdef";

fn leaf() -> impl Strategy<Value = Value> {
    let words =
        ["value", "raise", "argument", "like", "foreign", "large", "exit", "loaded", "invalid", "function"];
    let more = ["begin", "test", "held", "probe", "end", "done", "spent", "shared", "closed", "MemoryError"];
    prop_oneof![
        proptest::sample::select([words, more].concat()).prop_map(Value::text),
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        (-3_i64..9).prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        proptest::collection::vec(any::<u8>(), 0..12).prop_map(Value::BigInt),
        proptest::collection::vec(any::<u8>(), 0..4).prop_map(Value::Str),
        Just(Value::Bytes(TOKEN.to_vec())),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 24, 5, |inner| {
        let many = || proptest::collection::vec(inner.clone(), 0..5);
        prop_oneof![
            many().prop_map(Value::List),
            many().prop_map(Value::Tuple),
            many().prop_map(Value::Set),
            many().prop_map(Value::FrozenSet),
            proptest::collection::vec((inner.clone(), inner.clone()), 0..4).prop_map(Value::Dict),
        ]
    })
}

/// Answers as an attacker would shape them: often right in form, with anything inside.
fn answer() -> impl Strategy<Value = Value> {
    let changes = proptest::collection::vec(value(), 0..3).prop_map(Value::List);
    let reply = prop_oneof![
        value().prop_map(|value| vec![Value::text("value"), value]),
        (value(), value(), any::<bool>(), any::<bool>()).prop_map(|(name, value, equal, near)| vec![
            Value::text("like"),
            name,
            value,
            Value::Bool(equal),
            Value::Bool(near)
        ]),
        any::<bool>().prop_map(|truth| vec![Value::text("foreign"), Value::text("A"), Value::Bool(truth)]),
        value().prop_map(|place| vec![Value::text("argument"), place]),
        proptest::collection::vec(value(), 0..5),
    ];
    prop_oneof![
        4 => (reply, changes).prop_map(|(reply, changes)| Value::Tuple(vec![Value::Tuple(reply), changes])),
        1 => value(),
    ]
}

/// A table of two tests, `assert f([1]) == 5` and `assert f([1])`, and maybe a probe.
fn table(probes: usize) -> Table {
    let texts = || vec![Value::text("f"), Value::text("5"), Value::text("f"), Value::text("")];
    let call = || {
        let arguments = Value::Tuple(vec![Value::List(vec![Value::Int(1)])]);
        vec![Value::text("f"), arguments, Value::Dict(vec![])]
    };
    let step = |kind: &str, operand| {
        let check = vec![Value::text(kind), operand, Value::Float(0.0)];
        Value::List(vec![Value::Tuple([call(), check, texts()].concat())])
    };
    let tests = Value::List(vec![step("eq", Value::Int(5)), step("true", Value::None)]);
    let probes = Value::List(vec![Value::Tuple(call()); probes]);
    Table::from_value(&Value::Tuple(vec![tests, probes])).unwrap_or_default()
}

fn tests() -> Tests {
    Tests { tests: vec![vec![]; 2], entry_point: b"f".to_vec(), ..Tests::default() }
}

fn loaded() -> Value {
    Value::Tuple(vec![Value::text("loaded"), Value::List(vec![Value::text("function")])])
}

/// The plain value that an answer claims, read here in another way than there.
fn claimed(answer: &Value) -> Option<Value> {
    let [Value::Tuple(reply), Value::List(changes)] = answer.items()? else {
        return None;
    };
    match reply.as_slice() {
        [kind, value] if *kind == Value::text("value") => Some(value.clone()),
        [kind, _, value, Value::Bool(true), Value::Bool(_)] if *kind == Value::text("like") => {
            Some(value.clone())
        }
        // True of itself, though it equals nothing.
        [kind, _, _, Value::Bool(false), Value::Bool(_)] if *kind == Value::text("like") => {
            Some(Value::Bool(true))
        }
        [kind, _, truth] if *kind == Value::text("foreign") => Some(truth.clone()),
        [kind, Value::Int(0)] if *kind == Value::text("argument") => {
            let changed = changes.iter().find_map(|change| match change.items() {
                Some([Value::Int(0), value]) => Some(value.clone()),
                _ => None,
            });
            Some(changed.unwrap_or(Value::List(vec![Value::Int(1)])))
        }
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn answers_pass_only_if_every_test_held(
        answers in proptest::collection::vec(answer(), 0..5), first in any::<bool>(), probes in 0_usize..2,
    ) {
        let mut said = if first { vec![loaded()] } else { vec![] };
        said.extend(answers.clone());
        let table = table(probes);
        let report = Report::from_answers(&tests(), &table, &said);
        prop_assert!(report.held <= report.seen && report.seen <= 2);
        if report.held == 2 {
            prop_assert!(first || said.first() == Some(&loaded()));
            let answers = &said[1..];
            prop_assert_eq!(answers.first().and_then(claimed).map(|value| Check::Equal(Value::Int(5)).holds(&value)), Some(Ok(true)));
            prop_assert_eq!(answers.get(1).and_then(claimed).map(|value| Check::True.holds(&value)), Some(Ok(true)));
        }
        if report.finish == Some(Finish::Done) {
            prop_assert_eq!(said.len(), 1 + 2 + probes);
            prop_assert_eq!((report.seen, report.probes.len()), (2, probes));
        }
    }

    #[test]
    fn records_count_only_with_the_token_and_in_order(
        records in proptest::collection::vec(proptest::collection::vec(value(), 0..9), 0..6),
    ) {
        let records: Vec<Value> = records.into_iter().map(Value::Tuple).collect();
        let report = Report::from_records(&records, TOKEN);
        let held = |record: &&Value| {
            matches!(record.items(), Some([Value::Bytes(token), _, _, kind, ..])
                if token == TOKEN && *kind == Value::text("held"))
        };
        prop_assert!(report.held <= records.iter().filter(held).count());
        let forged = Report::from_records(&records, b"another");
        prop_assert_eq!((forged.held, forged.seen), (0, 0));
        prop_assert!(forged.finish != Some(Finish::Done));
    }
}
