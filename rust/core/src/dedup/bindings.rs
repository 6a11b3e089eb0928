//! What the names of a line stand for: variables, attributes, arguments, and which of them it binds to what.

use super::lines::{Lines, NONE, Now, is_constant, role};
use super::names::gets;
use super::text::{for_each_field_name, is_formatted};
use super::tokens::{Kind, Token};
use super::words::{key, known, mark};

impl Lines {
    /// Finds what the names of a line stand for, and which of them it binds.
    pub(super) fn resolve(&mut self, text: &[u8], first: usize, now: &Now) {
        let last = self.body.len();
        let imports = matches!(now.head, key::IMPORT | key::FROM);
        let gets = self.assigned(text, first, now);
        // Whether each open bracket, the innermost in the lowest bit, follows an operand: a call or subscript.
        let mut calls = 0_u64;
        let (mut depth, mut targets, mut lambda) = (0_u32, NONE, NONE);
        let mut before: Option<Token> = None;
        for at in first..last {
            let token = self.body[at];
            let next = self.body.get(at + 1).copied();
            let next_is = |mark| next.is_some_and(|next| next.is(mark));
            let is = |mark| before.is_some_and(|before| before.is(mark));
            let behind = |keyword| before.is_some_and(|before| before.is_word(keyword));
            if token.kind == Kind::Name {
                match token.code {
                    0 if now.head == key::GLOBAL => {
                        self.names.count(token.note);
                        self.names.declare(token.note, now.scope);
                    }
                    key::FOR => targets = depth,
                    key::IN if targets == depth => targets = NONE,
                    key::LAMBDA => lambda = depth,
                    0 if imports => {
                        let bound = !next_is(mark::DOT) && !next.is_some_and(|next| next.is_word(key::AS));
                        if bound && !now.in_class && self.binds_import(first, at, now.head) {
                            self.names.bind(token.note, now.scope, gets::ANYTHING);
                        }
                    }
                    0 if is(mark::DOT) => self.body[at].code = role::ATTRIBUTE,
                    0 => {
                        let opened = is(mark::OPEN) || is(mark::COMMA);
                        let starred = opened || is(mark::STAR) || is(mark::POWER);
                        let of_def = now.head == key::DEF && depth == 1 && starred;
                        let parameter = of_def || (lambda == depth && (starred || behind(key::LAMBDA)));
                        if calls & 1 == 1 && opened && next_is(mark::ASSIGN) && !parameter {
                            self.body[at].code = role::ARGUMENT;
                            self.names.edit(token.note).argument = true;
                        } else {
                            self.names.edit(token.note).parameter |= of_def;
                            self.names.count(token.note);
                            let whole =
                                !next_is(mark::DOT) && !next_is(mark::OPEN) && !next_is(mark::OPEN_SQUARE);
                            let target =
                                whole && calls == 0 && (at as u32) < now.assign && now.assign != NONE;
                            if target && !now.in_class {
                                self.names.bind(token.note, now.scope, gets);
                            } else if behind(key::FOR) && next.is_some_and(|next| next.is_word(key::IN)) {
                                let counts = self.is_range(at + 2, last, text);
                                let gets = if counts { gets::NUMBER } else { gets::ANYTHING };
                                self.names.bind(token.note, now.scope, gets);
                            } else if parameter
                                || (targets <= depth && whole && calls & low_bits(depth - targets) == 0)
                                || behind(key::AS)
                                || next_is(mark::WALRUS)
                                || ((behind(key::DEF) || behind(key::CLASS)) && now.in_function)
                            {
                                self.names.bind(token.note, now.scope, gets::ANYTHING);
                            }
                        }
                    }
                    _ => {}
                }
            } else if token.kind == Kind::Mark {
                match token.code {
                    mark::OPEN..=mark::OPEN_CURLY => {
                        calls = calls << 1 | u64::from(before.is_some_and(is_operand));
                        depth += 1;
                    }
                    mark::CLOSE..=mark::CLOSE_CURLY => {
                        calls >>= 1;
                        depth = depth.saturating_sub(1);
                    }
                    mark::COLON if lambda == depth => lambda = NONE,
                    _ => {}
                }
            } else if token.kind == Kind::Text && is_formatted(text, token) {
                for_each_field_name(text, token, |start, end| {
                    let place = self.names.place(text, start, end);
                    self.names.count(place);
                });
            }
            before = Some(token);
        }
    }

    /// Whether what begins at `at` is `range(`.
    fn is_range(&self, at: usize, last: usize, text: &[u8]) -> bool {
        match self.body.get(at..last) {
            Some([name, open, ..]) => open.is(mark::OPEN) && name.text(text) == b"range",
            _ => false,
        }
    }

    /// Whether the name at `at` of an import inside a block is one that it binds.
    fn binds_import(&self, first: usize, at: usize, head: u8) -> bool {
        if head == key::IMPORT {
            return true;
        }
        self.body[first..at].iter().any(|token| token.is_word(key::IMPORT))
    }

    /// What is known of the value that an assignment gives its one target.
    fn assigned(&self, text: &[u8], first: usize, now: &Now) -> u8 {
        let Some([target, assign, value @ ..]) = self.body.get(first..) else { return gets::ANYTHING };
        if target.kind != Kind::Name || target.code != 0 || now.assign as usize != first + 1 {
            return gets::ANYTHING;
        }
        if !assign.is(mark::ASSIGN) {
            // A number stays one, whatever is added to it.
            return gets::NUMBER;
        }
        match value {
            [only] if only.kind == Kind::Number => gets::NUMBER,
            [only] if is_constant(text, *only) => gets::FIXED,
            [sign, only] if sign.is(mark::MINUS) && only.kind == Kind::Number => gets::NUMBER,
            [name, operator, rest @ ..] if name.kind == Kind::Name && name.code == 0 => {
                if operator.is(mark::OPEN) {
                    let known = self.names.get(name.note).known;
                    return match known & (known::BUILTIN | known::NUMBER | known::TEXT) {
                        _ if !closes_at_end(rest) || known & known::BUILTIN == 0 => gets::ANYTHING,
                        known if known & known::NUMBER != 0 => gets::NUMBER,
                        known if known & known::TEXT != 0 => gets::FIXED,
                        _ => gets::ANYTHING,
                    };
                }
                let changed = name.note == target.note
                    && operator.kind == Kind::Mark
                    && (mark::PLUS..=mark::XOR).contains(&operator.code)
                    && !rest.iter().any(|token| token.kind == Kind::Name && token.code != 0);
                if changed { gets::NUMBER } else { gets::ANYTHING }
            }
            _ => gets::ANYTHING,
        }
    }
}

/// A number whose lowest bits, as many as this, are set.
fn low_bits(count: u32) -> u64 {
    1_u64.checked_shl(count).map_or(u64::MAX, |bit| bit - 1)
}

/// Whether this ends an operand, so that a bracket behind it is a call or subscript.
pub fn is_operand(token: Token) -> bool {
    match token.kind {
        Kind::Name => {
            token.code == 0 || token.code >= role::ATTRIBUTE || (key::NONE..=key::FALSE).contains(&token.code)
        }
        Kind::Number | Kind::Text | Kind::Other => true,
        Kind::Mark => matches!(token.code, mark::CLOSE..=mark::CLOSE_CURLY | mark::ELLIPSIS),
        _ => false,
    }
}

/// Whether a bracket that was opened before these tokens is closed by the last of them.
fn closes_at_end(tokens: &[Token]) -> bool {
    let mut open = 1_u32;
    for (at, token) in tokens.iter().enumerate() {
        match token.code {
            mark::OPEN..=mark::OPEN_CURLY if token.kind == Kind::Mark => open += 1,
            mark::CLOSE..=mark::CLOSE_CURLY if token.kind == Kind::Mark => open -= 1,
            _ => {}
        }
        if open == 0 {
            return at + 1 == tokens.len();
        }
    }
    false
}
