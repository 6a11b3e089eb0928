//! The meaning of a line as a hash: which operators act on what, not how it is written.
//!
//! Operators are read by precedence with stacks of our own, so that no nesting can exhaust memory of another
//! kind, and a line is read once. Whatever is no operator keeps its order. What makes no difference:
//!
//! | written | taken as | why it is safe |
//! |---|---|---|
//! | `(a)`, `return (a, b)`, `f(a,)` | without | brackets and commas that change nothing |
//! | `a > b`, `a >= b` | `b < a`, `b <= a` | the same question |
//! | `b == a`, `a != b`, `not a == b` | one order, one operator | equality of plain values is symmetric |
//! | `b * a` | one order, if neither side has effects | products of plain values are symmetric |
//! | `b + a` | the same, if one side is known to be a number | then the other is one, or both orders raise |
//! | `a or b`, `a and b` | one order, if both are equalities of names and constants | neither can raise or has effects |
//! | `x = x + y` | `x += y`, if `x` cannot be a list | nothing else is changed in place |
//! | `return None` | `return` | |

use super::hash::Wide;
use super::lines::{Line, Lines, role};
use super::stacks::{Bracket, Reader};
use super::text::{for_each_field_name, is_formatted};
use super::tokens::{Kind, Token};
use super::values::{
    Locals, MISSING, Operator, Value, fact, function_facts, level, level_of, node, variable,
};
use super::words::{KEYWORD_CODES, MARK_CODES, key, known, mark};

/// What a line comes to.
#[derive(Clone, Copy, Debug)]
pub struct Meaning {
    /// Its hash.
    pub hash: Wide,
    /// Whether what it does besides binding its targets has no effects.
    pub pure: bool,
    /// Whether its operators have their operands and its brackets match.
    pub whole: bool,
}

impl Reader {
    /// The meaning of a line.
    pub fn line(&mut self, text: &[u8], lines: &mut Lines, line: &Line, locals: Locals) -> Meaning {
        self.values.clear();
        self.operators.clear();
        self.frames.clear();
        (self.whole, self.pure) = (true, true);
        self.open(Bracket::Line);
        if line.head != 0 {
            self.codes.push(KEYWORD_CODES[usize::from(line.head)]);
            self.add(Wide::of(u64::from(line.head)));
        }
        if matches!(line.head, key::IMPORT | key::FROM) {
            return self.import(text, lines, line, locals);
        }
        if matches!(line.head, key::RETURN | key::IF | key::ELIF | key::WHILE) {
            self.open(Bracket::Rest);
        }
        let mut change: Option<(u8, Value)> = None;
        for at in line.first..line.last {
            let token = lines.body[at as usize];
            let looks_ahead = token.is(mark::DOT) || token.is_word(key::NOT);
            let next = (looks_ahead && at + 1 < line.last).then(|| lines.body[at as usize + 1]);
            if at == line.assign
                && change.is_none()
                && let Some(operator) = self.changes(token)
            {
                self.settle(0);
                let target = self.values.pop().unwrap_or(MISSING);
                change = Some((operator, target));
                self.codes.push(MARK_CODES[usize::from(token.code)]);
                self.open(Bracket::Rest);
                continue;
            }
            if token.is(mark::ASSIGN) && self.is_outside() {
                if self.frames.len() == 2 {
                    self.close_frame();
                }
                self.end_part();
                self.codes.push(MARK_CODES[usize::from(mark::ASSIGN)]);
                self.add(Wide::of(u64::from(mark::ASSIGN)));
                self.open(Bracket::Rest);
                continue;
            }
            let code = self.token(text, lines, token, next, locals);
            self.codes.push(code);
        }
        while self.frames.len() > 2 {
            self.whole = false;
            self.close_frame();
        }
        if self.frames.len() == 2 {
            self.close_frame();
        }
        if let Some((operator, target)) = change {
            let value = self.values.pop().unwrap_or(MISSING);
            self.change(operator, target, value);
        }
        self.end_part();
        let frame = self.frames.pop();
        let hash = frame.map_or(Wide::default(), |frame| frame.fold);
        let pure = self.pure && frame.is_some_and(|frame| frame.facts & fact::PURE != 0);
        Meaning { hash, pure, whole: self.whole }
    }

    /// The operator of an augmented assignment, if that is what the token is.
    fn changes(&self, token: Token) -> Option<u8> {
        if token.kind == Kind::Mark && self.frames.len() <= 2 { mark::of_augmented(token.code) } else { None }
    }

    /// Whether no bracket is open.
    fn is_outside(&self) -> bool {
        match self.frames.as_slice() {
            [_] => true,
            [_, rest] => rest.bracket == Bracket::Rest,
            _ => false,
        }
    }

    /// `target operator= value`, as an assignment if the two cannot be told apart.
    fn change(&mut self, operator: u8, target: Value, value: Value) {
        let number = value.facts & fact::NUMBER != 0;
        let fixed = target.facts & fact::FIXED != 0;
        let same = match operator {
            mark::PLUS | mark::MINUS => number || fixed,
            mark::STAR => fixed,
            mark::SLASH | mark::FLOOR | mark::PERCENT | mark::POWER | mark::LEFT | mark::RIGHT => true,
            _ => false,
        };
        self.pure &= target.facts & fact::PURE != 0 && value.facts & fact::PURE != 0;
        if same {
            self.values.extend([target, value]);
            self.reduce(Operator { code: operator, level: 10, unary: false }, false);
            let changed = self.values.pop().unwrap_or(value);
            self.add(target.hash);
            self.add(Wide::of(u64::from(mark::ASSIGN)));
            self.values.push(changed);
        } else {
            self.add(target.hash);
            self.add(Wide::of(u64::from(node::CHANGE) << 8 | u64::from(operator)));
            self.values.push(value);
        }
        self.wants_operand = false;
    }

    /// An import in a block: what it imports, and the names that it binds.
    fn import(&mut self, text: &[u8], lines: &mut Lines, line: &Line, locals: Locals) -> Meaning {
        let mut bare = true;
        for at in line.first..line.last {
            let token = lines.body[at as usize];
            let hash = Wide::bytes(token.text(text));
            if token.kind == Kind::Name && token.code == 0 && !bare {
                let (leaf, code) = variable(lines, token.note, locals);
                self.codes.push(code);
                self.add(leaf.hash);
            } else {
                self.codes.push(hash.0);
                self.add(hash);
                if token.kind == Kind::Name && token.code == 0 && lines.names.is_local(token.note) {
                    self.add(variable(lines, token.note, locals).0.hash);
                }
            }
            bare = !token.is_word(key::AS);
        }
        let hash = self.frames.pop().map_or(Wide::default(), |frame| frame.fold);
        Meaning { hash, pure: false, whole: true }
    }

    /// Reads a token, and after a dot or `not` looks at the next; its number in shingles.
    #[inline]
    fn token(
        &mut self,
        text: &[u8],
        lines: &mut Lines,
        token: Token,
        next: Option<Token>,
        locals: Locals,
    ) -> u64 {
        match token.kind {
            Kind::Name => match token.code {
                0 => {
                    let (value, code) = variable(lines, token.note, locals);
                    self.operand(value);
                    code
                }
                role::ATTRIBUTE => {
                    self.attribute(lines, token.note);
                    lines.names.get(token.note).hash.0
                }
                role::ARGUMENT => {
                    let name = lines.names.get(token.note).hash;
                    let hash = Wide::of(u64::from(node::ARGUMENT)).then(name);
                    self.operand(Value { hash, facts: fact::PURE });
                    name.0
                }
                code => {
                    self.word(code, next);
                    KEYWORD_CODES[usize::from(code)]
                }
            },
            Kind::Mark => {
                self.mark(token, next);
                MARK_CODES[usize::from(token.code)]
            }
            Kind::Number => {
                let constant = lines.constants[token.note as usize];
                let hash = Wide::of(1).then(constant);
                self.operand(Value { hash, facts: fact::NUMBER | fact::PURE | fact::TOTAL });
                constant.0
            }
            Kind::Text => {
                let constant = lines.constants[token.note as usize];
                let mut hash = constant;
                let formatted = is_formatted(text, token);
                if formatted {
                    for_each_field_name(text, token, |start, end| {
                        let place = lines.names.place(text, start, end);
                        hash = hash.then(variable(lines, place, locals).0.hash);
                    });
                }
                let facts = fact::TEXT | fact::PURE | if formatted { 0 } else { fact::TOTAL };
                self.operand(Value { hash, facts });
                constant.0
            }
            _ => {
                self.whole = false;
                let stray = lines.constants.get(token.note as usize).copied().unwrap_or_default();
                self.operand(Value { hash: Wide::of(u64::from(node::STRAY)).then(stray), facts: 0 });
                stray.0
            }
        }
    }

    /// Behind a dot: takes the operand before it.
    fn attribute(&mut self, lines: &Lines, place: u32) {
        let name = lines.names.get(place);
        let target = if self.wants_operand { MISSING } else { self.values.pop().unwrap_or(MISSING) };
        let mut facts = target.facts & fact::PURE;
        if name.known & known::METHOD != 0 {
            facts |= function_facts(name.known);
        }
        let hash = Wide::of(u64::from(node::ATTRIBUTE) << 8).then(target.hash).then(name.hash);
        self.values.push(Value { hash, facts });
        self.wants_operand = false;
    }

    fn word(&mut self, code: u8, next: Option<Token>) {
        match code {
            key::NONE | key::TRUE | key::FALSE => {
                let number = if code == key::NONE { 0 } else { fact::NUMBER };
                let hash = Wide::of(u64::from(code) << 24);
                self.operand(Value { hash, facts: fact::PURE | fact::TOTAL | number });
            }
            key::AND => self.binary(node::AND, level::AND),
            key::OR => self.binary(node::OR, level::OR),
            key::NOT if self.wants_operand => {
                // `is not` is one operator; so is `not in`.
                match self.operators.last_mut() {
                    Some(last) if last.code == node::IS => last.code = node::IS_NOT,
                    _ => self.unary(node::NOT, level::NOT),
                }
            }
            key::NOT if next.is_some_and(|next| next.is_word(key::IN)) => {
                self.binary(node::NOT_IN, level::COMPARISON);
            }
            key::IN => match self.operators.last() {
                Some(last) if last.code == node::NOT_IN && self.wants_operand => {}
                _ => self.binary(node::IN, level::COMPARISON),
            },
            key::IS => self.binary(node::IS, level::COMPARISON),
            key::AWAIT => self.unary(node::AWAIT, level::AWAIT),
            code => {
                if matches!(code, key::YIELD | key::ASYNC) {
                    self.pure = false;
                }
                self.separator(code);
            }
        }
    }

    fn mark(&mut self, token: Token, next: Option<Token>) {
        match token.code {
            mark::OPEN | mark::OPEN_SQUARE | mark::OPEN_CURLY => {
                let bracket = match (token.code, self.wants_operand) {
                    (mark::OPEN, true) => Bracket::Round,
                    (mark::OPEN, false) => Bracket::Call,
                    (mark::OPEN_SQUARE, true) => Bracket::Square,
                    (mark::OPEN_SQUARE, false) => Bracket::Subscript,
                    _ => Bracket::Curly,
                };
                if bracket == Bracket::Curly && !self.wants_operand {
                    self.binary(node::BESIDE, level::BESIDE);
                }
                self.open(bracket);
            }
            mark::CLOSE | mark::CLOSE_SQUARE | mark::CLOSE_CURLY => self.close(token.code),
            mark::COMMA => self.comma(),
            mark::DOT if !self.wants_operand && next.is_some_and(|next| next.code == role::ATTRIBUTE) => {}
            mark::ELLIPSIS => {
                let hash = Wide::of(u64::from(mark::ELLIPSIS) << 24);
                self.operand(Value { hash, facts: fact::PURE | fact::TOTAL });
            }
            mark::COLON | mark::ASSIGN | mark::WALRUS | mark::ARROW | mark::SEMICOLON | mark::DOT => {
                if matches!(token.code, mark::WALRUS) {
                    self.pure = false;
                }
                self.separator(token.code);
            }
            code if self.wants_operand => match code {
                mark::PLUS => self.unary(node::POSITIVE, level::SIGN),
                mark::MINUS => self.unary(node::NEGATIVE, level::SIGN),
                mark::TILDE => self.unary(mark::TILDE, level::SIGN),
                mark::STAR => self.unary(node::SPREAD, level::STARRED),
                mark::POWER => self.unary(node::SPREAD_NAMED, level::STARRED),
                mark::AT => self.unary(node::DECORATOR, level::STARRED),
                mark::SLASH => {
                    self.operand(Value { hash: Wide::of(u64::from(code) << 24), facts: fact::PURE })
                }
                code => self.binary(code, level_of(code)),
            },
            code => self.binary(code, level_of(code)),
        }
    }
}
