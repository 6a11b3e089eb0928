//! Tokens, and who takes them.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A name or a keyword.
    Name,
    /// A number.
    Number,
    /// A string with its prefix and quotes.
    Text,
    /// An operator, bracket or other mark.
    Mark,
    /// The end of a logical line.
    Newline,
    /// The start of a block; its text is the blank space before the line.
    Indent,
    /// The end of a block, without text.
    Dedent,
    /// A comment.
    Comment,
    /// A line break that ends no logical line.
    Blank,
    /// What can be part of no token.
    Other,
}

impl Kind {
    /// The name that Python's `token` module has for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "NAME",
            Self::Number => "NUMBER",
            Self::Text => "STRING",
            Self::Mark => "OP",
            Self::Newline => "NEWLINE",
            Self::Indent => "INDENT",
            Self::Dedent => "DEDENT",
            Self::Comment => "COMMENT",
            Self::Blank => "NL",
            Self::Other => "ERRORTOKEN",
        }
    }
}

/// A token: bytes `start..end` of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Where it begins.
    pub start: u32,
    /// Where it ends.
    pub end: u32,
    /// Free for whoever works with the tokens.
    pub note: u32,
    /// What it is.
    pub kind: Kind,
    /// The number of a mark or keyword, `OPEN_TEXT` for a string that is not closed; 0 for everything else.
    pub code: u8,
}

impl Token {
    /// Its bytes.
    #[must_use]
    pub fn text<'a>(&self, source: &'a [u8]) -> &'a [u8] {
        source.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Whether it is this mark.
    #[inline]
    #[must_use]
    pub fn is(&self, mark: u8) -> bool {
        self.kind == Kind::Mark && self.code == mark
    }

    /// Whether it is this keyword.
    #[inline]
    #[must_use]
    pub fn is_word(&self, keyword: u8) -> bool {
        self.kind == Kind::Name && self.code == keyword
    }
}

/// Takes tokens as they are found.
pub trait Sink {
    /// A name or keyword.
    fn name(&mut self, token: Token);
    /// An operator, bracket or other mark.
    fn mark(&mut self, token: Token);
    /// A number, string or stray byte.
    fn constant(&mut self, token: Token);
    /// The end of a line, the start or end of a block, a comment or a blank line.
    fn layout(&mut self, token: Token);
}

impl Sink for Vec<Token> {
    #[inline]
    fn name(&mut self, token: Token) {
        self.push(token);
    }

    #[inline]
    fn mark(&mut self, token: Token) {
        self.push(token);
    }

    #[inline]
    fn constant(&mut self, token: Token) {
        self.push(token);
    }

    fn layout(&mut self, token: Token) {
        self.push(token);
    }
}

/// The code of a string that is not closed.
pub const OPEN_TEXT: u8 = 1;
