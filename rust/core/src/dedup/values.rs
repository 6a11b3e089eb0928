//! Values of expressions: their hashes, what is known of them, and what operators make of them.

use super::hash::Wide;
use super::lines::Lines;
use super::names::gets;
use super::words::{code_of, known, mark};

/// What is known of a value.
pub mod fact {
    /// It is a number, or using it as one raises.
    pub const NUMBER: u16 = 1;
    /// Getting it has no effects.
    pub const PURE: u16 = 2;
    /// It is text, or using it with text raises.
    pub const TEXT: u16 = 4;
    /// Getting it cannot raise.
    pub const TOTAL: u16 = 8;
    /// A comparison that another may follow.
    pub const CHAIN: u16 = 16;
    /// A function: what it gives is a number.
    pub const GIVES_NUMBER: u16 = 32;
    /// A function: what it gives is text.
    pub const GIVES_TEXT: u16 = 64;
    /// A function without effects.
    pub const CALM: u16 = 128;
    /// A local name that is never bound to what can be changed in place.
    pub const FIXED: u16 = 256;
    /// A comparison for equality or identity.
    pub const EQUALITY: u16 = 512;
    /// Every fact that a bracket around a value leaves as it is.
    pub const LASTING: u16 = NUMBER | PURE | TEXT | TOTAL | EQUALITY;
}

pub mod level {
    pub const STARRED: u8 = 1;
    pub const OR: u8 = 2;
    pub const AND: u8 = 3;
    pub const NOT: u8 = 4;
    pub const COMPARISON: u8 = 5;
    pub const SIGN: u8 = 12;
    pub const POWER: u8 = 13;
    pub const AWAIT: u8 = 14;
    pub const BESIDE: u8 = 15;
}

/// Operators that are no marks, and what kinds of node there are.
pub mod node {
    pub const NOT: u8 = 100;
    pub const AND: u8 = 101;
    pub const OR: u8 = 102;
    pub const IN: u8 = 103;
    pub const NOT_IN: u8 = 104;
    pub const IS: u8 = 105;
    pub const IS_NOT: u8 = 106;
    pub const AWAIT: u8 = 107;
    pub const BESIDE: u8 = 108;
    pub const NEGATIVE: u8 = 109;
    pub const POSITIVE: u8 = 110;
    pub const SPREAD: u8 = 111;
    pub const SPREAD_NAMED: u8 = 112;
    pub const DECORATOR: u8 = 113;
    pub const ATTRIBUTE: u8 = 114;
    pub const CALL: u8 = 115;
    pub const SUBSCRIPT: u8 = 116;
    pub const LIST: u8 = 117;
    pub const CURLY: u8 = 118;
    pub const GROUP: u8 = 119;
    pub const TUPLE: u8 = 120;
    pub const CHAIN: u8 = 121;
    pub const MISSING: u8 = 122;
    pub const STRAY: u8 = 123;
    pub const LOCAL: u8 = 124;
    pub const ARGUMENT: u8 = 125;
    pub const CHANGE: u8 = 126;
    pub const SEPARATOR: u8 = 127;
}

/// What local names are in shingles.
const PLACEHOLDER: u64 = code_of(1);

#[derive(Clone, Copy, Debug)]
pub struct Value {
    pub hash: Wide,
    pub facts: u16,
}

#[derive(Clone, Copy, Debug)]
pub struct Operator {
    pub code: u8,
    pub level: u8,
    pub unary: bool,
}

/// What takes the place of an operand that is not there.
pub const MISSING: Value = Value { hash: Wide::of(node::MISSING as u64), facts: fact::LASTING };

/// How local names enter the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locals {
    /// By number of first occurrence.
    Numbered,
    /// All alike.
    Alike,
}

fn code(code: u8) -> Wide {
    Wide::of(u64::from(code) << 8)
}

/// What an operator makes of the one operand behind it.
pub fn prefixed(operator: Operator, right: Value) -> Value {
    let mut facts = right.facts & fact::PURE;
    if operator.code == node::NOT {
        facts |= right.facts & (fact::TOTAL | fact::EQUALITY);
    }
    if !matches!(operator.code, node::SPREAD | node::SPREAD_NAMED | node::DECORATOR | node::AWAIT) {
        facts |= fact::NUMBER;
    }
    if operator.code == node::AWAIT {
        facts = 0;
    }
    Value { hash: code(operator.code).then(right.hash), facts }
}

/// What an operator makes of two operands; `chained` if another comparison follows.
pub fn combined(operator: Operator, left: Value, right: Value, chained: bool) -> Value {
    let both = left.facts & right.facts;
    let either = left.facts | right.facts;
    let pure = both & fact::PURE;
    let number = |holds: bool| if holds { fact::NUMBER } else { 0 };
    let chain = left.facts & fact::CHAIN != 0;
    let plain = |kind: u8, facts: u16| Value { hash: code(kind).then(left.hash).then(right.hash), facts };
    let ordered = |kind: u8, facts: u16| {
        let (one, two) = if left.hash <= right.hash { (left, right) } else { (right, left) };
        Value { hash: code(kind).then(one.hash).then(two.hash), facts }
    };
    let turned = |kind: u8, facts: u16| Value { hash: code(kind).then(right.hash).then(left.hash), facts };
    let negated = |value: Value| Value { hash: code(node::NOT).then(value.hash), facts: value.facts };
    let answer = pure | fact::NUMBER;
    let equality = answer | fact::EQUALITY | both & fact::TOTAL;
    match operator.code {
        _ if operator.level == level::COMPARISON && (chained || chain) => {
            let hash = code(node::CHAIN).then(code(operator.code)).then(left.hash).then(right.hash);
            Value { hash, facts: answer | fact::CHAIN }
        }
        mark::SAME => ordered(mark::SAME, equality),
        mark::DIFFERENT => negated(ordered(mark::SAME, equality)),
        mark::GREATER => turned(mark::LESS, answer),
        mark::AT_LEAST => turned(mark::AT_MOST, answer),
        node::IS => plain(node::IS, equality),
        node::IS_NOT => negated(plain(node::IS, equality)),
        node::NOT_IN => negated(plain(node::IN, answer)),
        mark::LESS | mark::AT_MOST | node::IN => plain(operator.code, answer),
        mark::STAR if pure != 0 => ordered(mark::STAR, pure | number(both & fact::NUMBER != 0)),
        mark::PLUS if pure != 0 && either & fact::NUMBER != 0 => ordered(mark::PLUS, pure | fact::NUMBER),
        mark::PLUS => plain(mark::PLUS, pure | either & (fact::NUMBER | fact::TEXT)),
        mark::MINUS | mark::SLASH | mark::FLOOR | mark::POWER => plain(operator.code, pure | fact::NUMBER),
        mark::PERCENT => plain(operator.code, pure | left.facts & (fact::NUMBER | fact::TEXT)),
        node::AND | node::OR if both & fact::TOTAL != 0 && both & fact::EQUALITY != 0 => {
            ordered(operator.code, both & fact::LASTING)
        }
        node::AND | node::OR => plain(operator.code, both & (fact::LASTING & !fact::TOTAL)),
        node::BESIDE => plain(node::BESIDE, both & fact::LASTING),
        other => plain(other, pure | both & fact::NUMBER),
    }
}

/// The value of a name, and its number in shingles.
#[inline]
pub fn variable(lines: &mut Lines, place: u32, locals: Locals) -> (Value, u64) {
    if lines.names.is_local(place) {
        let number = if locals == Locals::Numbered { lines.names.number(place) } else { 0 };
        let gets = lines.names.get(place).gets;
        let fixed = if gets & gets::FIXED == gets::FIXED { fact::FIXED } else { 0 };
        let counts = if gets & gets::NUMBER == gets::NUMBER { fact::NUMBER } else { 0 };
        let hash = Wide::of(u64::from(node::LOCAL) << 32 | number);
        return (Value { hash, facts: fact::PURE | fact::TOTAL | fixed | counts }, PLACEHOLDER);
    }
    let name = lines.names.get(place);
    if let Some(path) = name.import {
        return (Value { hash: path, facts: fact::PURE | fact::TOTAL }, path.0);
    }
    let facts = if name.known & known::BUILTIN == 0 { 0 } else { function_facts(name.known) };
    (Value { hash: name.hash, facts: facts | fact::PURE | fact::TOTAL }, name.hash.0)
}

/// How tightly a mark binds the operands around it.
pub fn level_of(code: u8) -> u8 {
    match code {
        mark::OR => 6,
        mark::XOR => 7,
        mark::AND => 8,
        mark::LEFT | mark::RIGHT => 9,
        mark::PLUS | mark::MINUS => 10,
        mark::STAR | mark::SLASH | mark::FLOOR | mark::PERCENT | mark::AT => 11,
        mark::POWER => level::POWER,
        mark::LESS..=mark::DIFFERENT => level::COMPARISON,
        mark::TILDE => level::SIGN,
        _ => level::STARRED,
    }
}

/// What is known of a function or method.
pub fn function_facts(flags: u16) -> u16 {
    let mut facts = 0;
    if flags & known::PURE != 0 {
        facts |= fact::CALM;
    }
    if flags & known::NUMBER != 0 {
        facts |= fact::GIVES_NUMBER;
    }
    if flags & known::TEXT != 0 {
        facts |= fact::GIVES_TEXT;
    }
    facts
}
