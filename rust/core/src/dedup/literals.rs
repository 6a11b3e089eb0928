//! How strings and numbers are read.

use memchr::{memchr2, memchr3};

use super::lexer::Lexer;
use super::tokens::{Kind, OPEN_TEXT, Sink};

impl<S: Sink> Lexer<'_, '_, S> {
    /// Reads a string whose prefix was read already.
    pub(super) fn string(&mut self, start: usize) {
        let quote = self.byte(self.at);
        let closed = if self.byte(self.at + 1) == quote && self.byte(self.at + 2) == quote {
            self.at += 3;
            self.long_string(quote)
        } else {
            self.at += 1;
            self.short_string(quote)
        };
        self.clean &= closed;
        self.push(Kind::Text, start, if closed { 0 } else { OPEN_TEXT });
    }

    /// Reads on to the quote that closes a string; false if its line ends first.
    fn short_string(&mut self, quote: u8) -> bool {
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(next) = memchr3(quote, b'\\', b'\n', rest) else {
                self.at = self.text.len();
                return false;
            };
            self.at += next;
            match self.byte(self.at) {
                b'\\' => self.escape(),
                b'\n' => {
                    if next > 0 && self.byte(self.at - 1) == b'\r' {
                        self.at -= 1;
                    }
                    return false;
                }
                _ => {
                    self.at += 1;
                    return true;
                }
            }
        }
    }

    fn long_string(&mut self, quote: u8) -> bool {
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(next) = memchr2(quote, b'\\', rest) else {
                self.at = self.text.len();
                return false;
            };
            self.at += next;
            if self.byte(self.at) == b'\\' {
                self.escape();
            } else if self.byte(self.at + 1) == quote && self.byte(self.at + 2) == quote {
                self.at += 3;
                return true;
            } else {
                self.at += 1;
            }
        }
    }

    /// Passes over a backslash and what it escapes.
    fn escape(&mut self) {
        let escaped = self.break_length(self.at + 1).max(1);
        self.at = (self.at + 1 + escaped).min(self.text.len());
    }

    pub(super) fn number(&mut self) {
        let start = self.at;
        let (first, second) = (self.byte(start), self.byte(start + 1).to_ascii_lowercase());
        let based: Option<fn(u8) -> bool> = match (first, second) {
            (b'0', b'x') => Some(|byte| byte.is_ascii_hexdigit()),
            (b'0', b'o') => Some(|byte| matches!(byte, b'0'..=b'7')),
            (b'0', b'b') => Some(|byte| matches!(byte, b'0' | b'1')),
            _ => None,
        };
        if let Some(is_digit) = based {
            self.at += 2;
            if self.digits(is_digit) {
                self.push(Kind::Number, start, 0);
                return;
            }
            self.at = start;
        }
        self.digits(|byte| byte.is_ascii_digit());
        if self.byte(self.at) == b'.' {
            self.at += 1;
            if self.byte(self.at) != b'_' {
                self.digits(|byte| byte.is_ascii_digit());
            }
        }
        self.exponent();
        if matches!(self.byte(self.at), b'j' | b'J') {
            self.at += 1;
        }
        self.push(Kind::Number, start, 0);
    }

    /// Reads digits with single underscores before them; whether there were any.
    fn digits(&mut self, is_digit: fn(u8) -> bool) -> bool {
        let start = self.at;
        loop {
            let skip = usize::from(self.byte(self.at) == b'_');
            if !is_digit(self.byte(self.at + skip)) {
                return self.at > start;
            }
            self.at += skip + 1;
        }
    }

    fn exponent(&mut self) {
        if !matches!(self.byte(self.at), b'e' | b'E') {
            return;
        }
        let signed = usize::from(matches!(self.byte(self.at + 1), b'+' | b'-'));
        if self.byte(self.at + 1 + signed).is_ascii_digit() {
            self.at += 1 + signed;
            self.digits(|byte| byte.is_ascii_digit());
        }
    }
}
