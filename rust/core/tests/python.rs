//! Compares with what Python itself found; `vectors.py` asked it and wrote `vectors.bin`.

use forge_core::equality::{equal, is_genuine};
use forge_core::table::{Raised, Table};
use forge_core::value::Value;

fn vectors() -> Vec<Vec<Value>> {
    match Value::decode(include_bytes!("vectors.bin")) {
        Ok(Value::List(rows)) => rows.iter().filter_map(|row| Some(row.items()?.to_vec())).collect(),
        _ => vec![],
    }
}

/// What a check of this kind finds.
fn found(kind: &Value, operand: &Value, tolerance: &Value, answer: &Value) -> Option<Result<bool, Raised>> {
    let text = || Value::text("");
    let call = [Value::text("f"), Value::Tuple(vec![]), Value::Dict(vec![])];
    let check = [kind.clone(), operand.clone(), tolerance.clone()];
    let step = Value::Tuple([&call[..], &check, &[text(), text(), text(), text()]].concat());
    let table = Value::Tuple(vec![Value::List(vec![Value::List(vec![step])]), Value::List(vec![])]);
    Some(Table::from_value(&table).ok()?.tests[0][0].check.holds(answer))
}

#[test]
fn equality_and_truth_are_those_of_python() {
    let (mut equals, mut differs) = (0, 0);
    for row in vectors() {
        let [_, left, right, Value::Bool(same), Value::Bool(truth)] = row.as_slice() else {
            continue;
        };
        assert_eq!(equal(left, right), *same, "{left:?} == {right:?}");
        assert_eq!(equal(right, left), *same, "{right:?} == {left:?}");
        assert!(is_genuine(left) && is_genuine(right), "{left:?}, {right:?}");
        let zero = Value::Float(0.0);
        assert_eq!(found(&Value::text("true"), &Value::None, &zero, left), Some(Ok(*truth)), "{left:?}");
        assert_eq!(found(&Value::text("ne"), left, &zero, right), Some(Ok(!same)));
        *(if *same { &mut equals } else { &mut differs }) += 1;
    }
    assert!(equals > 200 && differs > 200, "{equals} equal, {differs} different");
}

#[test]
fn nearness_is_that_of_python() {
    let (mut held, mut raised) = (0, 0);
    for row in vectors() {
        let [_, kind, answer, centre, tolerance, outcome] = row.as_slice() else {
            continue;
        };
        let expected = match outcome {
            Value::Tuple(parts) => {
                raised += 1;
                Err(Raised { exception: parts[0].lossy(), message: parts[1].lossy() })
            }
            flag => Ok(*flag == Value::Bool(true)),
        };
        held += usize::from(expected == Ok(true));
        let found = found(kind, centre, tolerance, answer);
        assert_eq!(found, Some(expected), "{kind:?} of {answer:?}, {centre:?}, {tolerance:?}");
    }
    assert!(held > 50 && raised > 30, "{held} held, {raised} raised");
}
