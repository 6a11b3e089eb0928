//! What a program did, as one number: equal programs have equal behaviour on equal tests.

use crate::value::Value;

const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// A running hash (FNV-1a, 128 bits) over the replies of a program. Stable across machines and versions;
/// not meant to withstand an adversary who wants two programs to look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behaviour(u128);

impl Default for Behaviour {
    fn default() -> Self {
        Self(OFFSET)
    }
}

impl Behaviour {
    /// Adds one part; parts do not run into one another.
    pub fn add(&mut self, part: &[u8]) {
        for byte in (part.len() as u64).to_le_bytes().iter().chain(part) {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(PRIME);
        }
    }

    /// The number in 32 hexadecimal digits.
    #[must_use]
    pub fn hex(self) -> String {
        format!("{:032x}", self.0)
    }
}

/// What of an answer to a call counts as behaviour: values and changes whole, exceptions by type.
#[must_use]
pub fn answer_key(reply: &Value, changes: &[Value]) -> Vec<u8> {
    let mut key = match reply.items() {
        Some([kind, name, ..]) if *kind == Value::text("raise") => {
            Value::Tuple(vec![kind.clone(), name.clone()]).encode()
        }
        _ => reply.encode(),
    };
    for change in changes {
        change.encode_into(&mut key);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::Behaviour;

    #[test]
    fn parts_do_not_run_into_one_another() {
        let mut one = Behaviour::default();
        one.add(b"ab");
        one.add(b"c");
        let mut two = Behaviour::default();
        two.add(b"a");
        two.add(b"bc");
        assert_ne!(one.hex(), two.hex());
    }
}
