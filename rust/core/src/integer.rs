//! Whole numbers of any size, as bytes: just what comparing them with floats needs.
//!
//! Numbers are two's complement and little endian, as [`crate::value::Value::BigInt`] holds them. A
//! magnitude is unsigned, little endian and without leading zeros.

use std::cmp::Ordering;

const FRACTION_BITS: u64 = 52;
const BIAS: u64 = 1023;

fn sign(bytes: &[u8]) -> u8 {
    if bytes.last().is_some_and(|top| *top >= 0x80) { 0xff } else { 0 }
}

/// The shortest bytes of the same number; none at all for zero.
pub fn minimal(bytes: &[u8]) -> &[u8] {
    let fill = sign(bytes);
    let mut length = bytes.len();
    while length > 0 && bytes[length - 1] == fill && sign(&bytes[..length - 1]) == fill {
        length -= 1;
    }
    &bytes[..length]
}

/// The number, if it fits.
pub fn small(bytes: &[u8]) -> Option<i64> {
    let bytes = minimal(bytes);
    let mut out = [sign(bytes); 8];
    out.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(out))
}

/// Whether these are the bytes under which a number that does not fit 64 bits travels: one byte for every
/// eight bits of its magnitude, and one for what is left and the sign.
pub fn is_canonical(bytes: &[u8]) -> bool {
    let magnitude = magnitude(bytes);
    small(bytes).is_none() && bytes.len() == bit_length(&magnitude) / 8 + 1
}

fn bit_length(magnitude: &[u8]) -> usize {
    magnitude.last().map_or(0, |top| magnitude.len() * 8 - top.leading_zeros() as usize)
}

fn negate(bytes: &mut [u8]) {
    let mut carry = true;
    for byte in bytes {
        (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
    }
}

fn trimmed(mut magnitude: Vec<u8>) -> Vec<u8> {
    let length = magnitude.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    magnitude.truncate(length);
    magnitude
}

/// How far a number is from zero.
pub fn magnitude(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    if sign(bytes) != 0 {
        out.push(0xff);
        negate(&mut out);
    }
    trimmed(out)
}

/// How far two numbers are from each other.
pub fn distance(left: &[u8], right: &[u8]) -> Vec<u8> {
    let length = left.len().max(right.len()) + 1;
    let at = |bytes: &[u8], place: usize| bytes.get(place).copied().unwrap_or(sign(bytes));
    let mut borrow = false;
    let mut out = Vec::with_capacity(length);
    for place in 0..length {
        let (byte, first) = at(left, place).overflowing_sub(at(right, place));
        let (byte, second) = byte.overflowing_sub(u8::from(borrow));
        borrow = first || second;
        out.push(byte);
    }
    magnitude(&out)
}

/// Which of two magnitudes is larger.
pub fn compare(left: &[u8], right: &[u8]) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.iter().rev().cmp(right.iter().rev()))
}

/// The magnitude of a finite float without a fraction.
pub fn float_magnitude(number: f64) -> Vec<u8> {
    let bits = number.to_bits();
    let exponent = (bits >> FRACTION_BITS) & 0x7ff;
    if exponent < BIAS {
        return vec![];
    }
    let mantissa = bits & ((1 << FRACTION_BITS) - 1) | (1 << FRACTION_BITS);
    let Some(shift) = exponent.checked_sub(BIAS + FRACTION_BITS) else {
        return trimmed((mantissa >> (BIAS + FRACTION_BITS - exponent)).to_le_bytes().to_vec());
    };
    let mut out = vec![0; usize::try_from(shift / 8).unwrap_or(0)];
    out.extend_from_slice(&(mantissa << (shift % 8)).to_le_bytes());
    trimmed(out)
}

/// The shortest bytes of a finite float without a fraction.
pub fn from_float(number: f64) -> Vec<u8> {
    let mut out = float_magnitude(number);
    out.push(0);
    if number < 0.0 {
        negate(&mut out);
    }
    let length = minimal(&out).len();
    out.truncate(length);
    out
}

/// The nearest float, ties to even; `None` beyond the largest.
pub fn to_float(bytes: &[u8]) -> Option<f64> {
    let magnitude = magnitude(bytes);
    let bits = bit_length(&magnitude);
    let shift = bits.saturating_sub(64);
    if shift > 1024 - 64 {
        return None;
    }
    let mut top = shifted(&magnitude, shift);
    let below = &magnitude[..shift / 8];
    let cut = magnitude.get(shift / 8).is_some_and(|byte| byte & ((1_u8 << (shift % 8)) - 1) != 0);
    // What was cut off decides ties, so it is kept as the last bit, far below those that remain.
    top |= u64::from(shift > 0 && (cut || below.iter().any(|byte| *byte != 0)));
    let scale = f64::from_bits((BIAS + shift as u64) << FRACTION_BITS);
    let number = top as f64 * scale;
    number.is_finite().then_some(if sign(bytes) == 0 { number } else { -number })
}

/// The 64 bits that begin at bit `shift`.
fn shifted(magnitude: &[u8], shift: usize) -> u64 {
    let mut window = [0; 16];
    for (to, from) in window.iter_mut().zip(&magnitude[shift / 8..]) {
        *to = *from;
    }
    (u128::from_le_bytes(window) >> (shift % 8)) as u64
}

#[cfg(test)]
mod tests {
    use super::{
        compare, distance, float_magnitude, from_float, is_canonical, magnitude, minimal, small, to_float,
    };
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_128_bits(left in any::<i128>(), right in any::<i64>(), cut in 0_u32..127) {
            let left = left >> cut;
            let bytes = left.to_le_bytes();
            prop_assert_eq!(small(&bytes), i64::try_from(left).ok());
            prop_assert_eq!(to_float(&bytes), Some(left as f64));
            prop_assert_eq!(to_float(minimal(&bytes)), Some(left as f64));
            let far = magnitude(&left.unsigned_abs().to_le_bytes().into_iter().chain([0]).collect::<Vec<_>>());
            prop_assert_eq!(&magnitude(&bytes), &far);
            if let Some(between) = left.checked_sub(i128::from(right)) {
                let apart = distance(&bytes, &right.to_le_bytes());
                prop_assert_eq!(apart, magnitude(&between.to_le_bytes()));
            }
        }

        #[test]
        fn whole_floats_are_exact(number in any::<f64>()) {
            let whole = number.trunc();
            prop_assume!(whole.is_finite());
            let bytes = from_float(whole);
            prop_assert_eq!(to_float(&bytes), Some(whole));
            prop_assert_eq!(minimal(&bytes), &bytes[..]);
            prop_assert_eq!(magnitude(&bytes), float_magnitude(whole));
        }

        #[test]
        fn magnitudes_are_ordered(left in any::<u128>(), right in any::<u128>(), cut in 0_u32..127) {
            let (left, right) = (left >> cut, right >> cut);
            let bytes = |number: u128| magnitude(&number.to_le_bytes().into_iter().chain([0]).collect::<Vec<_>>());
            prop_assert_eq!(compare(&bytes(left), &bytes(right)), left.cmp(&right));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop((to_float(&bytes), is_canonical(&bytes), distance(&bytes, &[1])));
        }
    }

    #[test]
    fn only_the_form_that_travels_is_canonical() {
        assert!(is_canonical(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0]));
        assert!(is_canonical(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff]));
        // -2**71 travels with a byte more than it needs: its magnitude has 72 bits.
        assert!(is_canonical(&[0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0xff]));
        assert!(!is_canonical(&[0, 0, 0, 0, 0, 0, 0, 0, 0x80]));
        assert!(!is_canonical(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0]));
        assert!(!is_canonical(&[0, 0, 0, 0, 0, 0, 0, 0x80]));
        assert!(!is_canonical(&[1, 0, 0, 0, 0, 0, 0, 0, 0]));
        assert!(!is_canonical(&[]));
    }

    #[test]
    fn what_no_float_holds_is_none() {
        assert_eq!(to_float(&from_float(f64::MAX)), Some(f64::MAX));
        let mut beyond = vec![0; 128];
        beyond.extend([1, 0]);
        assert_eq!(to_float(&beyond), None);
        // Half a step above the largest float rounds to what is no float.
        let mut half = vec![0xff; 128];
        half.push(0);
        assert_eq!(to_float(&half), None);
    }
}
