//! What it means that an answer is equal to what was expected but for small differences between numbers.

use crate::equality::{equal, paired};
use crate::integer;
use crate::value::Value;

/// Whether two values have the same structure, and numbers in the same places that are as close as
/// [`near`] demands. Everything that is no `int` or `float` must be equal, members of sets and keys of
/// dictionaries included; `True` is no number here.
#[must_use]
pub fn close(left: &Value, right: &Value, tolerance: f64) -> bool {
    match (left, right) {
        (Value::List(left), Value::List(right)) | (Value::Tuple(left), Value::Tuple(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| close(left, right, tolerance))
        }
        (Value::Dict(left), Value::Dict(right)) => paired(left, right)
            .is_some_and(|pairs| pairs.into_iter().all(|(left, right)| close(left, right, tolerance))),
        _ => match (number(left), number(right)) {
            (Some(ours), Some(theirs)) => {
                equal(left, right) || near(ours, theirs, far(left, right), tolerance)
            }
            _ => equal(left, right),
        },
    }
}

/// Whether `far`, the distance between two numbers, is at most the tolerance, or at most the tolerance times
/// the greater of their magnitudes. Nothing is near a number that is not finite.
fn near(left: f64, right: f64, far: f64, tolerance: f64) -> bool {
    left.is_finite() && right.is_finite() && far <= tolerance.max(tolerance * left.abs().max(right.abs()))
}

/// The same for floats.
#[must_use]
pub fn close_floats(left: f64, right: f64, tolerance: f64) -> bool {
    near(left, right, (left - right).abs(), tolerance)
}

/// The nearest float of an `int` or `float` that has one.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::BigInt(bytes) => integer::to_float(bytes),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

/// How far two numbers are apart; whole numbers are subtracted exactly.
fn far(left: &Value, right: &Value) -> f64 {
    let whole = |value: &Value| match value {
        Value::Int(number) => Some(number.to_le_bytes().to_vec()),
        Value::BigInt(bytes) => Some(bytes.clone()),
        _ => None,
    };
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => {
            let mut distance = integer::distance(&left, &right);
            // A magnitude, to be read as a number that is not negative.
            distance.push(0);
            integer::to_float(&distance).unwrap_or(f64::INFINITY)
        }
        _ => (number(left).unwrap_or(f64::NAN) - number(right).unwrap_or(f64::NAN)).abs(),
    }
}

#[cfg(test)]
mod tests {
    use super::close;
    use crate::value::Value;
    use crate::value::Value::{BigInt, Bool, Float, Int, List, Tuple};

    #[test]
    fn numbers_are_close_absolutely_or_relatively() {
        assert!(close(&Float(0.1 + 0.2), &Float(0.3), 1e-9));
        assert!(close(&Float(1e12 + 1.0), &Float(1e12), 1e-9));
        assert!(!close(&Float(1.1), &Float(1.0), 1e-2));
        assert!(close(&Int(3), &Float(3.0000001), 1e-6));
        assert!(close(&Int(i64::MAX), &Int(i64::MAX - 1), 1e-9));
        assert!(!close(&Int(i64::MAX), &Int(i64::MAX - 1), 1e-20));
        let mut huge = vec![0; 9];
        huge[8] = 1;
        assert!(close(&BigInt(huge.clone()), &Float(18_446_744_073_709_551_616.0), 1e-12));
        assert!(close(&BigInt(huge), &Int(i64::MAX), 0.5));
    }

    #[test]
    fn nothing_is_close_to_what_is_not_finite_but_its_equal() {
        assert!(close(&Float(f64::INFINITY), &Float(f64::INFINITY), 0.1));
        assert!(!close(&Float(f64::INFINITY), &Float(1.0), 0.1));
        assert!(!close(&Float(f64::INFINITY), &Float(f64::NEG_INFINITY), 0.1));
        assert!(!close(&Float(f64::NAN), &Float(f64::NAN), 0.1));
        assert!(!close(&Float(f64::NAN), &Float(1.0), f64::MAX));
        let mut beyond = vec![0; 200];
        beyond[199] = 1;
        assert!(close(&BigInt(beyond.clone()), &BigInt(beyond.clone()), 0.1));
        assert!(!close(&BigInt(beyond), &Float(f64::INFINITY), 0.1));
    }

    #[test]
    fn structures_must_be_equal() {
        let (one, near) = (Float(1.0), Float(1.0 + 1e-9));
        let within = |left, right| close(&left, &right, 1e-6);
        assert!(within(List(vec![one.clone()]), List(vec![near.clone()])));
        assert!(!within(List(vec![one.clone()]), Tuple(vec![near.clone()])));
        assert!(!within(List(vec![one.clone()]), List(vec![near.clone(), near.clone()])));
        let dict = |key, value| Value::Dict(vec![(Value::text("x"), Int(1)), (key, value)]);
        let swapped = |key, value| Value::Dict(vec![(key, value), (Value::text("x"), Int(1))]);
        assert!(within(dict(Int(1), one.clone()), swapped(Float(1.0), near.clone())));
        assert!(!within(dict(one.clone(), one.clone()), dict(near.clone(), one.clone())));
        assert!(!within(Value::Set(vec![one.clone()]), Value::Set(vec![near.clone()])));
        assert!(within(Bool(true), Int(1)));
        assert!(!within(Bool(true), near));
        assert!(!within(Value::text("1"), one));
    }
}
