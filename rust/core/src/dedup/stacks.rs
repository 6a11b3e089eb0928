//! The stacks that expressions are read with: values, operators that wait for an operand, open brackets.

use super::hash::Wide;
use super::values::{self, MISSING, Operator, Value, fact, level, node};
use super::words::{key, mark};

/// What a bracket holds before it holds anything.
const START: Wide = Wide(1, 2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bracket {
    /// The line itself.
    Line,
    /// What follows `=`, `return` and the like, as if in brackets.
    Rest,
    Round,
    Call,
    Square,
    Subscript,
    Curly,
}

#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub bracket: Bracket,
    pub fold: Wide,
    /// Values and separators so far.
    pub parts: u32,
    pub separators: u32,
    /// Whether it holds a `for`.
    pub loops: bool,
    pub comma: bool,
    /// Whether a comma was read that nothing followed yet.
    pub pending: bool,
    pub facts: u16,
    pub only: Wide,
    pub values: usize,
    pub operators: usize,
}

/// Reads lines. Kept from one line to the next for its memory.
#[derive(Debug, Default)]
pub struct Reader {
    pub(super) values: Vec<Value>,
    pub(super) operators: Vec<Operator>,
    pub(super) frames: Vec<Frame>,
    /// For each token read a number that says what it is, the same one for all local names; never cleared here.
    pub codes: Vec<u64>,
    pub(super) wants_operand: bool,
    pub(super) whole: bool,
    pub(super) pure: bool,
}

impl Reader {
    pub(super) fn open(&mut self, bracket: Bracket) {
        self.frames.push(Frame {
            bracket,
            fold: START,
            parts: 0,
            separators: 0,
            loops: false,
            comma: false,
            pending: false,
            facts: fact::LASTING,
            only: Wide::default(),
            values: self.values.len(),
            operators: self.operators.len(),
        });
        self.wants_operand = true;
    }

    /// Adds to what the innermost bracket holds.
    #[inline]
    pub(super) fn add(&mut self, hash: Wide) {
        if let Some(frame) = self.frames.last_mut() {
            if frame.pending {
                frame.pending = false;
                frame.fold = frame.fold.then(Wide::of(u64::from(mark::COMMA)));
            }
            frame.fold = frame.fold.then(hash);
            frame.only = hash;
            frame.parts += 1;
        }
    }

    #[inline]
    pub(super) fn operand(&mut self, value: Value) {
        if !self.wants_operand {
            self.binary(node::BESIDE, level::BESIDE);
        }
        self.values.push(value);
        self.wants_operand = false;
    }

    #[inline]
    pub(super) fn binary(&mut self, code: u8, level: u8) {
        if self.wants_operand {
            self.whole = false;
            self.values.push(MISSING);
        }
        self.settle(if level == level::POWER { level + 1 } else { level });
        self.operators.push(Operator { code, level, unary: false });
        self.wants_operand = true;
    }

    pub(super) fn unary(&mut self, code: u8, level: u8) {
        if !self.wants_operand {
            self.binary(node::BESIDE, level::BESIDE);
        }
        self.operators.push(Operator { code, level, unary: true });
    }

    /// Applies the operators of the innermost bracket that bind at least as tightly as this.
    #[inline]
    pub(super) fn settle(&mut self, level: u8) {
        let from = self.frames.last().map_or(0, |frame| frame.operators);
        while self.operators.len() > from {
            let Some(operator) = self.operators.pop_if(|operator| operator.level >= level) else { return };
            self.reduce(operator, level == level::COMPARISON);
        }
    }

    pub(super) fn reduce(&mut self, operator: Operator, chained: bool) {
        let right = self.values.pop().unwrap_or(MISSING);
        if operator.unary {
            self.values.push(values::prefixed(operator, right));
            return;
        }
        let left = self.values.pop().unwrap_or(MISSING);
        if operator.code == node::BESIDE {
            self.whole &= left.facts & right.facts & fact::TEXT != 0;
        }
        self.values.push(values::combined(operator, left, right, chained));
    }

    /// Ends a value of the innermost bracket.
    #[inline]
    pub(super) fn end_part(&mut self) {
        let Some(frame) = self.frames.last() else { return };
        let (operators, values) = (frame.operators, frame.values);
        if self.wants_operand && self.operators.len() > operators {
            let starred = self.operators.last().is_some_and(|operator| operator.level == level::STARRED);
            self.whole &= starred;
            self.values.push(MISSING);
        }
        self.settle(0);
        if self.values.len() > values {
            if let Some(value) = self.values.pop() {
                self.add(value.hash);
                if let Some(frame) = self.frames.last_mut() {
                    frame.facts &= value.facts;
                }
            }
            self.values.truncate(values);
        }
        self.wants_operand = true;
    }

    pub(super) fn separator(&mut self, code: u8) {
        self.end_part();
        self.add(Wide::of(u64::from(node::SEPARATOR) << 16 | u64::from(code)));
        if let Some(frame) = self.frames.last_mut() {
            frame.separators += 1;
            frame.loops |= code == key::FOR;
        }
    }

    pub(super) fn comma(&mut self) {
        self.end_part();
        if let Some(frame) = self.frames.last_mut() {
            if frame.pending {
                frame.fold = frame.fold.then(Wide::of(u64::from(mark::COMMA)));
            }
            (frame.comma, frame.pending) = (true, true);
        }
    }

    /// Closes the innermost bracket and leaves its value as an operand.
    pub(super) fn close_frame(&mut self) {
        self.end_part();
        let Some(frame) = self.frames.pop() else { return };
        let count = Wide::of(u64::from(frame.parts) << 2 | u64::from(frame.comma));
        let kind = |kind: u8| Wide::of(u64::from(kind) << 8);
        let pure = frame.facts & fact::PURE;
        let value = match frame.bracket {
            Bracket::Round | Bracket::Rest | Bracket::Line => {
                if frame.parts == 1 && frame.separators == 0 && !frame.comma {
                    Value { hash: frame.only, facts: frame.facts & fact::LASTING }
                } else if frame.parts == 0 && frame.bracket != Bracket::Round {
                    Value { hash: Wide::of(u64::from(key::NONE) << 24), facts: fact::PURE }
                } else {
                    let shape = if frame.comma || frame.parts == 0 { node::TUPLE } else { node::GROUP };
                    Value { hash: kind(shape).then(frame.fold), facts: pure }
                }
            }
            Bracket::Square => Value { hash: kind(node::LIST).then(frame.fold), facts: pure },
            Bracket::Curly => Value { hash: kind(node::CURLY).then(frame.fold), facts: pure },
            Bracket::Call => {
                let callee = self.values.pop().unwrap_or(MISSING);
                let mut facts = 0;
                if callee.facts & fact::CALM != 0 {
                    facts |= pure & callee.facts;
                }
                if callee.facts & fact::GIVES_NUMBER != 0 {
                    facts |= fact::NUMBER;
                }
                if callee.facts & fact::GIVES_TEXT != 0 {
                    facts |= fact::TEXT;
                }
                self.pure &= facts & fact::PURE != 0;
                // `f(x for x in y)` is `f((x for x in y))`.
                let arguments = if frame.loops {
                    let shape = if frame.comma { node::TUPLE } else { node::GROUP };
                    START.then(kind(shape).then(frame.fold))
                } else {
                    frame.fold
                };
                Value { hash: kind(node::CALL).then(callee.hash).then(arguments), facts }
            }
            Bracket::Subscript => {
                let target = self.values.pop().unwrap_or(MISSING);
                let hash = kind(node::SUBSCRIPT).then(target.hash).then(count).then(frame.fold);
                Value { hash, facts: pure & target.facts }
            }
        };
        self.values.push(value);
        self.wants_operand = false;
    }

    /// A closing bracket.
    pub(super) fn close(&mut self, code: u8) {
        let Some(frame) = self.frames.last() else { return };
        let wanted = match frame.bracket {
            Bracket::Line | Bracket::Rest => {
                self.whole = false;
                self.separator(code);
                return;
            }
            Bracket::Round | Bracket::Call => mark::CLOSE,
            Bracket::Square | Bracket::Subscript => mark::CLOSE_SQUARE,
            Bracket::Curly => mark::CLOSE_CURLY,
        };
        if wanted != code {
            self.whole = false;
            self.separator(code);
        }
        self.close_frame();
    }
}
