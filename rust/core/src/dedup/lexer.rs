//! Python source to tokens, in one pass, whatever the bytes are.
//!
//! On code that Python's own `tokenize` (3.11) accepts the tokens are the same, in kind and text. On anything
//! else: a text that is not closed ends with its line, or with everything if it has three quotes; brackets that
//! are not closed end before a line that begins with a word no expression can hold, such as `def` or `return`;
//! a dedent to a level that was never open opens it; and any other byte is a token of its own.

use memchr::memchr2;

use super::hash::word;
use super::tokens::{Kind, Sink, Token};
use super::words::{self, mark};

/// Hands over the tokens of a text; those of comments and blank lines only if `all`. True if no string or bracket
/// was left open, no dedent was to an unknown level, and every byte was part of a token. What lies beyond 4 GiB
/// is not read.
pub fn lex(source: &[u8], all: bool, tokens: &mut impl Sink) -> bool {
    let limit = source.len().min(u32::MAX as usize - 1);
    let text = source.get(..limit).unwrap_or_default();
    let mut lexer =
        Lexer { text, at: 0, tokens, all, open: 0, indents: Vec::new(), clean: limit == source.len() };
    lexer.run();
    lexer.clean
}

/// How many of up to eight bytes are spaces before the first that is none.
fn spaces(text: &[u8], at: usize) -> usize {
    let others = word(text, at, at + 8) ^ u64::from_ne_bytes([b' '; 8]);
    others.trailing_zeros() as usize / 8
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Other,
    Space,
    Break,
    Hash,
    Quote,
    Letter,
    Digit,
    Dot,
    Backslash,
    Open,
    Close,
    Sign,
}

static CLASSES: [Class; 256] = classes();
/// Whether a byte can be in a name.
static WORDS: [bool; 256] = words();

const fn words() -> [bool; 256] {
    let mut found = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        found[byte] = matches!(CLASSES[byte], Class::Letter | Class::Digit);
        byte += 1;
    }
    found
}

const fn classes() -> [Class; 256] {
    let mut found = [Class::Other; 256];
    let mut byte = 0;
    while byte < 256 {
        found[byte] = match byte as u8 {
            b' ' | b'\t' | 0x0c => Class::Space,
            b'\n' | b'\r' => Class::Break,
            b'#' => Class::Hash,
            b'\'' | b'"' => Class::Quote,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..=0xff => Class::Letter,
            b'0'..=b'9' => Class::Digit,
            b'.' => Class::Dot,
            b'\\' => Class::Backslash,
            b'(' | b'[' | b'{' => Class::Open,
            b')' | b']' | b'}' => Class::Close,
            b'+' | b'-' | b'*' | b'/' | b'%' | b'@' | b'&' | b'|' | b'^' | b'~' | b'<' | b'>' | b'='
            | b'!' => Class::Sign,
            b',' | b':' | b';' => Class::Sign,
            _ => Class::Other,
        };
        byte += 1;
    }
    found
}

pub(super) struct Lexer<'a, 'o, S> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
    tokens: &'o mut S,
    all: bool,
    /// How many brackets are open.
    open: usize,
    /// The columns of the open blocks.
    indents: Vec<usize>,
    pub(super) clean: bool,
}

impl<S: Sink> Lexer<'_, '_, S> {
    #[inline]
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    #[inline]
    pub(super) fn class(&self, at: usize) -> Class {
        CLASSES[usize::from(self.byte(at))]
    }

    #[inline(always)]
    pub(super) fn push(&mut self, kind: Kind, start: usize, code: u8) {
        let (start, end) = (start as u32, self.at as u32);
        let token = Token { start, end, note: 0, kind, code };
        match kind {
            Kind::Name => self.tokens.name(token),
            Kind::Mark => self.tokens.mark(token),
            Kind::Number | Kind::Text | Kind::Other => self.tokens.constant(token),
            _ => self.tokens.layout(token),
        }
    }

    fn run(&mut self) {
        while self.at < self.text.len() {
            if self.begin_line() {
                self.line();
            }
        }
        for _ in 0..self.indents.len() {
            self.push(Kind::Dedent, self.at, 0);
        }
    }

    /// Reads the blank space that a line begins with; false if there is nothing else on the line.
    fn begin_line(&mut self) -> bool {
        let start = self.at;
        let mut column = spaces(self.text, start);
        self.at += column;
        loop {
            match self.byte(self.at) {
                b' ' => column += 1,
                b'\t' => column = (column / 8 + 1) * 8,
                0x0c => column = 0,
                _ => break,
            }
            self.at += 1;
        }
        match self.class(self.at) {
            Class::Hash => {
                self.comment();
                self.line_break(Kind::Blank);
                return false;
            }
            Class::Break => {
                self.line_break(Kind::Blank);
                return false;
            }
            _ if self.at >= self.text.len() => return false,
            _ => {}
        }
        let mut level = self.indents.last().copied().unwrap_or(0);
        let closes = column < level;
        while column < level {
            self.indents.pop();
            self.push(Kind::Dedent, self.at, 0);
            level = self.indents.last().copied().unwrap_or(0);
        }
        if column > level {
            self.clean &= !closes;
            self.indents.push(column);
            self.push(Kind::Indent, start, 0);
        }
        true
    }

    /// Reads the rest of a logical line, its end included.
    fn line(&mut self) {
        loop {
            // Most blank space is one space, which should cost no jump.
            self.at += usize::from(self.byte(self.at) == b' ');
            match self.class(self.at) {
                Class::Letter => self.name(),
                Class::Space => self.at += 1,
                Class::Sign => self.sign(),
                Class::Open => {
                    self.open += 1;
                    self.single(match self.byte(self.at) {
                        b'(' => mark::OPEN,
                        b'[' => mark::OPEN_SQUARE,
                        _ => mark::OPEN_CURLY,
                    });
                }
                Class::Close => {
                    self.clean &= self.open > 0;
                    self.open = self.open.saturating_sub(1);
                    self.single(match self.byte(self.at) {
                        b')' => mark::CLOSE,
                        b']' => mark::CLOSE_SQUARE,
                        _ => mark::CLOSE_CURLY,
                    });
                }
                Class::Break => {
                    if self.open > 0 && !self.statement_follows() {
                        self.line_break(Kind::Blank);
                    } else {
                        self.clean &= self.open == 0;
                        self.open = 0;
                        self.line_break(Kind::Newline);
                        return;
                    }
                }
                Class::Dot => match (self.class(self.at + 1), self.byte(self.at + 1), self.byte(self.at + 2))
                {
                    (Class::Digit, ..) => self.number(),
                    (_, b'.', b'.') => self.several(3, mark::ELLIPSIS),
                    _ => self.single(mark::DOT),
                },
                Class::Digit => self.number(),
                Class::Quote => self.string(self.at),
                Class::Hash => self.comment(),
                Class::Backslash => self.backslash(),
                Class::Other if self.at >= self.text.len() => {
                    self.clean &= self.open == 0;
                    self.open = 0;
                    self.push(Kind::Newline, self.at, 0);
                    return;
                }
                Class::Other => self.other(),
            }
        }
    }

    fn single(&mut self, code: u8) {
        self.several(1, code);
    }

    fn several(&mut self, length: usize, code: u8) {
        let start = self.at;
        self.at += length;
        self.push(Kind::Mark, start, code);
    }

    fn other(&mut self) {
        let start = self.at;
        self.at += 1;
        self.clean = false;
        self.push(Kind::Other, start, 0);
    }

    /// The length of the line break here, 0 if there is none.
    pub(super) fn break_length(&self, at: usize) -> usize {
        match (self.byte(at), self.byte(at + 1)) {
            (b'\r', b'\n') => 2,
            (b'\r' | b'\n', _) => 1,
            _ => 0,
        }
    }

    fn line_break(&mut self, kind: Kind) {
        let start = self.at;
        self.at += self.break_length(self.at);
        if self.all || kind == Kind::Newline {
            self.push(kind, start, 0);
        }
    }

    fn comment(&mut self) {
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or_default();
        self.at += memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        if self.all {
            self.push(Kind::Comment, start, 0);
        }
    }

    fn backslash(&mut self) {
        match self.break_length(self.at + 1) {
            0 => self.other(),
            length => self.at += 1 + length,
        }
    }

    /// Whether the next line begins with a word that no expression can hold.
    fn statement_follows(&self) -> bool {
        let mut start = self.at + self.break_length(self.at);
        while self.class(start) == Class::Space {
            start += 1;
        }
        if !self.byte(start).is_ascii_lowercase() {
            return false;
        }
        let mut end = start;
        while end <= start + 8 && matches!(self.class(end), Class::Letter | Class::Digit) {
            end += 1;
        }
        end <= start + 8 && words::is_statement(words::keyword(word(self.text, start, end)))
    }

    #[inline]
    fn name(&mut self) {
        let start = self.at;
        let rest = self.text.get(start + 1..).unwrap_or_default();
        let at = start + 1 + rest.iter().position(|byte| !WORDS[usize::from(*byte)]).unwrap_or(rest.len());
        self.at = at;
        let length = at - start;
        if length <= 2 && self.class(at) == Class::Quote && self.is_prefix(start, length) {
            self.string(start);
            return;
        }
        let code = if length > 8 { 0 } else { words::keyword(word(self.text, start, at)) };
        self.push(Kind::Name, start, code);
    }

    /// Whether these letters may stand before a quote.
    fn is_prefix(&self, start: usize, length: usize) -> bool {
        let first = self.byte(start).to_ascii_lowercase();
        if length == 1 {
            return matches!(first, b'r' | b'b' | b'f' | b'u');
        }
        matches!(
            (first, self.byte(start + 1).to_ascii_lowercase()),
            (b'r', b'b' | b'f') | (b'b' | b'f', b'r')
        )
    }

    #[inline]
    fn sign(&mut self) {
        match mark::longest(self.byte(self.at), self.byte(self.at + 1), self.byte(self.at + 2)) {
            Some((length, code)) => self.several(length, code),
            None => self.other(),
        }
    }
}
