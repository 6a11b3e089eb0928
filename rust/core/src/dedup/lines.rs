//! Tokens to logical lines, without what changes nothing: docstrings and other constants that stand alone,
//! `pass`, annotations, and imports at the top of the snippet, of which only what they bind is kept.

use super::hash::Wide;
use super::lexer::lex;
use super::names::{Names, Scope, TOP};
use super::text::{self as strings, is_formatted};
use super::tokens::{Kind, Sink, Token};
use super::words::{self, key, mark};

/// What a name stands for, in `Token::code`, beyond keywords: 0 is a variable.
pub mod role {
    /// Behind a dot.
    pub const ATTRIBUTE: u8 = 200;
    /// Before the `=` of an argument.
    pub const ARGUMENT: u8 = 201;
}

/// One statement, or the head of a block.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Its first token after the keyword it begins with.
    pub first: u32,
    /// Behind its last token.
    pub last: u32,
    /// The `=` or augmented `=` that its targets stand before; the last of several. `NONE` if there is none.
    pub assign: u32,
    /// How many blocks it is in.
    pub depth: u32,
    /// The keyword it begins with, 0 if none.
    pub head: u8,
    /// Whether the innermost function or class around it is a function.
    pub in_function: bool,
    /// The function at the top that it belongs to.
    pub scope: Scope,
}

/// No token.
pub const NONE: u32 = u32::MAX;

/// A snippet taken apart. Kept from one snippet to the next for its memory.
#[derive(Debug, Default)]
pub struct Lines {
    /// The tokens of all lines. `note` is the place of a name in `names`, of anything else in `constants`.
    pub body: Vec<Token>,
    /// The statements.
    pub lines: Vec<Line>,
    /// The names.
    pub names: Names,
    /// The hashes of numbers, strings and stray bytes, after their notation was evened out.
    pub constants: Vec<Wide>,
    /// What imports at the top bring in, however it is used.
    pub imports: Wide,
    /// Whether a name is declared `global` or `nonlocal`.
    pub declares: bool,
    /// Whether it parses, as far as can be told without a grammar.
    pub clean: bool,
    /// Imports at the top: the name's place, what it is bound to, and whether importing it does nothing else.
    pub(super) bound: Vec<(u32, Wide, bool)>,
    around: Vec<(u32, bool)>,
    content: Vec<u8>,
}

/// Where the reading of a line stands.
#[derive(Clone, Copy, Default)]
pub(super) struct Now {
    depth: u32,
    /// Whether the line stands behind the colon of another.
    inline: bool,
    pub(super) scope: Scope,
    /// How many functions and classes at the top there were.
    functions: u32,
    brackets: u32,
    lambdas: u32,
    first: usize,
    begun: bool,
    pub(super) head: u8,
    pub(super) assign: u32,
    /// Where an annotation of a variable begins.
    annotation: u32,
    /// Brackets around the annotation that is being passed over, plus one.
    skipping: u32,
    /// Whether the line before opened a block that has to follow.
    owes_block: bool,
    behind_dot: bool,
    pub(super) in_function: bool,
    pub(super) in_class: bool,
}

/// Takes the tokens of a snippet as the lexer finds them.
struct Taker<'a> {
    lines: &'a mut Lines,
    text: &'a [u8],
    now: Now,
}

impl Sink for Taker<'_> {
    fn name(&mut self, token: Token) {
        self.lines.take_name(self.text, token, &mut self.now);
    }

    fn mark(&mut self, token: Token) {
        if !self.now.begun {
            self.lines.begin_line(token, &mut self.now);
        }
        if !self.lines.take_mark(self.text, token, &mut self.now) {
            self.lines.keep(token, &mut self.now);
        }
    }

    fn constant(&mut self, mut token: Token) {
        if !self.now.begun {
            self.lines.begin_line(token, &mut self.now);
        }
        token.note = self.lines.constants.len() as u32;
        let hash = self.lines.constant(self.text, token);
        self.lines.constants.push(hash);
        self.lines.keep(token, &mut self.now);
    }

    fn layout(&mut self, token: Token) {
        let Self { lines, text, now } = self;
        match token.kind {
            Kind::Indent => {
                now.depth += 1;
                lines.clean &= now.owes_block;
                now.owes_block = false;
            }
            Kind::Dedent => now.depth = now.depth.saturating_sub(1),
            Kind::Newline => {
                lines.end_line(text, now, false);
                now.inline = false;
            }
            _ => {}
        }
    }
}

impl Now {
    /// How many brackets are open where a colon is not part of an expression.
    fn level(&self) -> u32 {
        u32::from(self.head == key::DEF && self.brackets > 0)
    }
}

impl Lines {
    /// Takes a snippet apart.
    pub fn read(&mut self, text: &[u8]) {
        self.body.clear();
        self.lines.clear();
        self.names.clear();
        self.constants.clear();
        self.bound.clear();
        self.around.clear();
        self.imports = Wide::default();
        self.declares = false;
        self.clean = true;
        let mut taker = Taker { lines: self, text, now: Now { scope: TOP, ..Now::default() } };
        let clean = lex(text, false, &mut taker);
        let owes_block = taker.now.owes_block;
        self.clean &= clean && !owes_block;
        self.settle_imports();
    }

    fn begin_line(&mut self, token: Token, now: &mut Now) {
        now.begun = true;
        self.clean &= !now.owes_block || now.inline;
        now.owes_block = false;
        now.first = self.body.len();
        (now.brackets, now.lambdas, now.skipping) = (0, 0, 0);
        (now.assign, now.annotation) = (NONE, NONE);
        now.head = if token.kind == Kind::Name && !matches!(token.code, key::NONE..=key::FALSE) {
            match token.code {
                key::LAMBDA | key::NOT => 0,
                code => code,
            }
        } else {
            0
        };
        let depth = now.depth + u32::from(now.inline);
        while self.around.last().is_some_and(|(outer, _)| *outer >= depth) {
            self.around.pop();
        }
        let innermost = self.around.last().map(|(_, function)| *function);
        now.in_function = innermost == Some(true);
        now.in_class = innermost == Some(false);
        if depth == 0 {
            now.scope = TOP;
        }
    }

    /// Notes that the line is the head of a function or class.
    fn open_scope(&mut self, now: &mut Now, function: bool) {
        let depth = now.depth + u32::from(now.inline);
        if depth == 0 {
            now.functions += 1;
            now.scope = 1 << now.functions.min(63);
        }
        self.around.push((depth, function));
    }

    fn take_name(&mut self, text: &[u8], mut token: Token, now: &mut Now) {
        let fresh = !now.begun;
        if fresh {
            self.begin_line(token, now);
        }
        match token.code {
            0 => token.note = self.names.place(text, token.start, token.end),
            key::DEF | key::CLASS if fresh || now.head == key::ASYNC => {
                self.open_scope(now, token.code == key::DEF);
                now.head = token.code;
            }
            key::LAMBDA => now.lambdas += u32::from(now.brackets == now.level()),
            key::GLOBAL | key::NONLOCAL => self.declares = true,
            _ => {}
        }
        self.keep(token, now);
    }

    /// Adds a token to the line, unless it is part of an annotation.
    #[inline]
    fn keep(&mut self, token: Token, now: &mut Now) {
        if now.skipping == 0 {
            self.body.push(token);
        } else {
            self.annotate(token, now);
        }
        now.behind_dot = token.is(mark::DOT);
    }

    /// Notes a name in an annotation that is evaluated.
    fn annotate(&mut self, token: Token, now: &Now) {
        let evaluated = now.head == key::DEF || !now.in_function;
        if token.kind == Kind::Name && token.code == 0 && evaluated && !now.behind_dot {
            self.names.edit(token.note).annotates = true;
        }
    }

    /// What a mark does to the line; true if it is not part of it.
    fn take_mark(&mut self, text: &[u8], token: Token, now: &mut Now) -> bool {
        match token.code {
            mark::OPEN..=mark::OPEN_CURLY => now.brackets += 1,
            mark::CLOSE..=mark::CLOSE_CURLY => {
                now.brackets = now.brackets.saturating_sub(1);
                if now.skipping == 2 && now.brackets == 0 {
                    now.skipping = 0;
                }
            }
            mark::COMMA if now.skipping == 2 && now.brackets == 1 => now.skipping = 0,
            mark::ASSIGN if now.skipping == 2 && now.brackets == 1 => now.skipping = 0,
            mark::ARROW if now.head == key::DEF && now.brackets == 0 => {
                now.skipping = 1;
                return true;
            }
            mark::COLON if now.lambdas > 0 && now.brackets == now.level() => now.lambdas -= 1,
            mark::COLON if now.brackets == 0 => return self.take_colon(text, now),
            mark::COLON if now.head == key::DEF && now.brackets == 1 && now.skipping == 0 => {
                now.skipping = 2;
                return true;
            }
            mark::SEMICOLON if now.brackets == 0 => {
                self.end_line(text, now, false);
                return true;
            }
            mark::ASSIGN if now.brackets == 0 && now.lambdas == 0 => self.take_assign(now),
            code if now.brackets == 0 && mark::of_augmented(code).is_some() => {
                now.assign = self.body.len() as u32;
            }
            _ => {}
        }
        false
    }

    /// A colon outside brackets: the end of a head, or the start of an annotation.
    fn take_colon(&mut self, text: &[u8], now: &mut Now) -> bool {
        now.skipping = 0;
        if words::has_block(now.head) {
            self.end_line(text, now, true);
            return true;
        }
        if now.annotation == NONE && now.assign == NONE {
            now.annotation = self.body.len() as u32;
        }
        false
    }

    fn take_assign(&mut self, now: &mut Now) {
        // In a class they may be what counts: a dataclass has fields by them.
        if now.annotation != NONE && now.assign == NONE && !now.in_class {
            let from = now.annotation as usize;
            for at in from..self.body.len() {
                self.annotate(self.body[at], now);
            }
            self.body.truncate(from);
        }
        now.assign = self.body.len() as u32;
    }

    fn end_line(&mut self, text: &[u8], now: &mut Now, opens: bool) {
        let begun = std::mem::take(&mut now.begun);
        let depth = now.depth + u32::from(now.inline);
        if opens {
            now.owes_block = true;
            now.inline = true;
        } else if !begun {
            // A block's first line stands below its head.
            return;
        }
        let (first, last) = (now.first, self.body.len());
        let colon_last = self.body.last().is_some_and(|token| token.is(mark::COLON)) && last > first;
        if !opens && colon_last {
            now.owes_block = true;
        }
        if depth == 0 && matches!(now.head, key::IMPORT | key::FROM) {
            self.take_import(text, first);
            self.body.truncate(first);
            return;
        }
        if !opens && self.is_idle(text, first) {
            self.body.truncate(first);
            return;
        }
        self.resolve(text, first, now);
        let skipped = first + usize::from(now.head != 0);
        self.lines.push(Line {
            first: skipped.min(last) as u32,
            last: last as u32,
            assign: now.assign,
            depth,
            head: now.head,
            in_function: now.in_function,
            scope: now.scope,
        });
    }

    /// Whether the line from `first` on does nothing: `pass`, or a constant.
    fn is_idle(&self, text: &[u8], first: usize) -> bool {
        let line = self.body.get(first..).unwrap_or_default();
        match line {
            [] => true,
            [only] if only.kind == Kind::Name => {
                matches!(only.code, key::PASS | key::NONE | key::TRUE | key::FALSE)
            }
            [only] if only.kind == Kind::Number || only.is(mark::ELLIPSIS) => true,
            all => all
                .iter()
                .all(|token| token.kind == Kind::Text && token.code == 0 && !is_formatted(text, *token)),
        }
    }

    /// The hash of a number, a string or a stray byte, the same for every way to write it that is known here.
    fn constant(&mut self, text: &[u8], token: Token) -> Wide {
        let bytes = token.text(text);
        match token.kind {
            Kind::Number if bytes.iter().any(|byte| byte.is_ascii_uppercase() || *byte == b'_') => {
                self.content.clear();
                self.content.extend(bytes.iter().filter(|byte| **byte != b'_').map(u8::to_ascii_lowercase));
                Wide::bytes(&self.content)
            }
            Kind::Text => strings::hash(text, token, &mut self.content),
            _ => Wide::bytes(bytes),
        }
    }
}

/// Whether this is a value that nothing can change.
pub fn is_constant(text: &[u8], token: Token) -> bool {
    match token.kind {
        Kind::Name => (key::NONE..=key::FALSE).contains(&token.code),
        Kind::Number => true,
        Kind::Text => !is_formatted(text, token),
        _ => false,
    }
}
