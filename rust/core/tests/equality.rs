//! What `equal` and `is_genuine` promise, for any values.

use proptest::prelude::*;

use forge_core::equality::{equal, is_genuine};
use forge_core::value::Value::{
    self, BigInt, Bool, ByteArray, Bytes, Complex, Dict, Float, FrozenSet, Int, List, None, Range, Set, Str,
    Tuple,
};

/// Values that Python could hold, of a few kinds that often meet.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(None),
        any::<bool>().prop_map(Bool),
        (-2_i64..3).prop_map(Int),
        any::<i64>().prop_map(Int),
        (-4_i32..5).prop_map(|half| Float(f64::from(half) / 2.0)),
        any::<f64>().prop_filter("equal to itself", |number| !number.is_nan()).prop_map(Float),
        (-1_i32..2, -1_i32..2).prop_map(|(a, b)| Complex(f64::from(a), f64::from(b))),
        "[ab]{0,2}".prop_map(|text: String| Value::text(&text)),
        proptest::collection::vec(0_u8..2, 0..3).prop_map(Bytes),
        (-2_i64..3, -2_i64..3, 1_i64..3).prop_map(|(a, b, c)| Range(a, b, c)),
    ];
    let hashable = leaf.clone().prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Tuple),
            proptest::collection::vec(inner, 0..4).prop_map(|items| FrozenSet(distinct(items))),
        ]
    });
    let keys = hashable.clone();
    prop_oneof![leaf, hashable].prop_recursive(3, 32, 6, move |inner| {
        let pairs = proptest::collection::vec((keys.clone(), inner.clone()), 0..5);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(List),
            proptest::collection::vec(inner, 0..5).prop_map(Tuple),
            proptest::collection::vec(keys.clone(), 0..5).prop_map(|items| Set(distinct(items))),
            pairs.prop_map(|pairs| {
                let keys = distinct(pairs.iter().map(|(key, _)| key.clone()).collect());
                Dict(keys.into_iter().zip(pairs).map(|(key, (_, value))| (key, value)).collect())
            }),
        ]
    })
}

fn distinct(items: Vec<Value>) -> Vec<Value> {
    let mut kept: Vec<Value> = vec![];
    for item in items {
        if !kept.iter().any(|other| equal(other, &item)) {
            kept.push(item);
        }
    }
    kept
}

/// An equal value, written differently wherever that is possible.
fn disguised(value: &Value) -> Value {
    let all = |items: &[Value]| items.iter().map(disguised).collect::<Vec<_>>();
    match value {
        Bool(flag) => Float(f64::from(*flag)),
        Int(number) if number.unsigned_abs() < 1 << 53 => Complex(*number as f64, -0.0),
        Float(number) => Complex(*number, 0.0),
        Bytes(bytes) => Bytes(bytes.clone()),
        List(items) => List(all(items)),
        Tuple(items) => Tuple(all(items)),
        Set(items) => FrozenSet(all(items).into_iter().rev().collect()),
        FrozenSet(items) => FrozenSet(all(items).into_iter().rev().collect()),
        Dict(items) => {
            Dict(items.iter().rev().map(|(key, value)| (disguised(key), disguised(value))).collect())
        }
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn equality_is_an_equivalence(one in values(), two in values()) {
        prop_assert!(equal(&one, &one));
        prop_assert_eq!(equal(&one, &two), equal(&two, &one));
        prop_assert!(equal(&one, &disguised(&one)));
        prop_assert!(equal(&disguised(&one), &one));
        prop_assert_eq!(equal(&disguised(&one), &two), equal(&one, &two));
    }

    #[test]
    fn one_encoding_is_one_value(one in values(), two in values()) {
        prop_assert!(one.encode() != two.encode() || equal(&one, &two));
        prop_assert!(Value::decode(&one.encode()).is_ok_and(|copy| equal(&copy, &one)));
    }

    #[test]
    fn what_python_holds_is_genuine(value in values()) {
        prop_assert!(is_genuine(&value), "{value:?}");
    }

    #[test]
    fn nothing_equals_what_holds_a_nan(value in values()) {
        let held = Tuple(vec![value.clone(), Float(f64::NAN)]);
        prop_assert!(!equal(&held, &held));
        prop_assert!(!equal(&Set(vec![held.clone()]), &Set(vec![held])));
        let imaginary = Dict(vec![(None, Complex(0.0, f64::NAN)), (Int(1), value)]);
        prop_assert!(!equal(&imaginary, &imaginary));
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = Value::decode(&bytes) {
            prop_assert!(is_genuine(&value) || !is_genuine(&List(vec![value.clone()])));
            prop_assert_eq!(equal(&value, &value), equal(&value, &value.clone()));
        }
    }
}

#[test]
fn kinds_that_equal_one_another() {
    assert!(equal(&Bytes(vec![1]), &ByteArray(vec![1])));
    assert!(!equal(&Bytes(b"a".to_vec()), &Str(b"a".to_vec())));
    assert!(!equal(&List(vec![]), &Tuple(vec![])));
    assert!(equal(&Range(0, 0, 1), &Range(5, 2, 3)));
    assert!(equal(&Range(0, 3, 2), &Range(0, 4, 2)));
    assert!(!equal(&Range(0, 3, 1), &List(vec![Int(0), Int(1), Int(2)])));
    assert!(equal(&Int(1 << 53), &Float((1_u64 << 53) as f64)));
    assert!(!equal(&Int((1 << 53) + 1), &Float((1_u64 << 53) as f64)));
    assert!(!equal(&Int(i64::MAX), &Float(i64::MAX as f64)));
    assert!(equal(&BigInt(vec![0, 0, 0, 0, 0, 0, 0, 0x80, 0]), &Float(i64::MAX as f64)));
    assert!(!equal(&BigInt(vec![1, 0, 0, 0, 0, 0, 0, 0x80, 0]), &Float(i64::MAX as f64)));
    assert!(!equal(&Float(f64::INFINITY), &Float(f64::NEG_INFINITY)));
}

#[test]
fn what_python_cannot_hold_is_no_genuine_value() {
    let lists = |kind: fn(Vec<Value>) -> Value| kind(vec![List(vec![])]);
    for forged in [
        Set(vec![Int(1), Float(1.0)]),
        Set(vec![Int(1), Bool(true)]),
        Dict(vec![(Int(0), None), (Float(-0.0), None)]),
        lists(Set),
        Set(vec![Tuple(vec![Tuple(vec![ByteArray(vec![])])])]),
        Set(vec![Set(vec![])]),
        Set(vec![FrozenSet(vec![Int(1)]), FrozenSet(vec![Complex(1.0, 0.0)])]),
        Dict(vec![(Dict(vec![]), None)]),
        List(vec![Tuple(vec![Str(vec![0xff])])]),
        Set(vec![BigInt(vec![1])]),
        Str(vec![0xed, 0xa0]),
    ] {
        assert!(!is_genuine(&forged), "{forged:?}");
    }
    let surrogate = [b"a".as_slice(), &[0xed, 0xb2, 0x80], b"b"].concat();
    let nans = Set(vec![Float(f64::NAN), Float(f64::NAN)]);
    assert!([Str(surrogate), nans, Tuple(vec![lists(List)])].iter().all(is_genuine));
}

#[test]
fn large_sets_and_deep_ones_take_no_long() {
    let many = |step: i64| Set((0..200_000).map(|number| Int(number * step)).collect());
    assert!(!equal(&many(1), &many(-1)));
    assert!(is_genuine(&many(1)));
    let mut deep = Str(vec![b'a'; 1 << 20]);
    for _ in 0..190 {
        deep = FrozenSet(vec![Int(1), deep]);
    }
    assert!(is_genuine(&deep));
    assert!(equal(&deep, &deep.clone()));
}
