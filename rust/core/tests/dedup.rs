//! Any bytes are read: random ones, real code cut off, nested quotes and brackets, changed bytes. `FORGE_FUZZ`
//! multiplies how many; 500 makes ten million.

use forge_core::dedup::distance::{Words, distance};
use forge_core::dedup::features::Extractor;
use forge_core::dedup::lexer::lex;
use forge_core::dedup::tokens::{Kind, Token};

const REAL: [&str; 4] = [
    include_str!("../../../python/forge/sandbox.py"),
    include_str!("../../../python/forge/dedup.py"),
    include_str!("../../../tests/test_dedup.py"),
    include_str!("../../py/src/driver.py"),
];
const PIECES: [&str; 40] = [
    "'",
    "\"",
    "'''",
    "\"\"\"",
    "\\",
    "\n",
    "\r\n",
    "\r",
    "(",
    "[",
    "{",
    ")",
    "]",
    "}",
    "#",
    " ",
    "\t",
    "f'",
    "rb\"",
    "{x!r:>{w}}",
    "def f(",
    "lambda x:",
    " if ",
    " else ",
    "for x in ",
    "=",
    "+=",
    ":=",
    "->",
    "...",
    "1_0.e-3j",
    "0x",
    "é",
    "\u{2028}",
    "\0",
    "import a.b as c",
    "from . import *",
    "async ",
    "not in",
    "\x0c",
];

/// Numbers that look random and are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }

    fn text(&mut self) -> Vec<u8> {
        match self.below(4) {
            0 => (0..self.below(200)).map(|_| self.below(256) as u8).collect(),
            1 => (0..self.below(60)).flat_map(|_| PIECES[self.below(PIECES.len())].bytes()).collect(),
            kind => {
                let real = REAL[self.below(REAL.len())].as_bytes();
                let start = self.below(real.len());
                let mut text = real[start..(start + self.below(600)).min(real.len())].to_vec();
                for _ in 0..self.below(6) * (kind - 2) {
                    let at = self.below(text.len() + 1);
                    let piece = PIECES[self.below(PIECES.len())].bytes();
                    let end = (at + self.below(3)).min(text.len());
                    text.splice(at..end, piece);
                }
                text
            }
        }
    }
}

fn check(text: &[u8], tokens: &mut Vec<Token>, extractor: &mut Extractor, shingles: &mut Vec<u32>) {
    tokens.clear();
    lex(text, true, tokens);
    let mut at = 0;
    let mut depth = 0_i64;
    for token in &*tokens {
        // An indent's text is the blank space before its line, on which a dedent may have stood already.
        let start =
            if token.kind == Kind::Indent { at.max(token.start as usize) } else { token.start as usize };
        let end = token.end as usize;
        assert!(at <= start && start <= end && end <= text.len(), "tokens follow each other: {text:?}");
        let between = &text[at..start];
        assert!(
            between.iter().all(|byte| b" \t\x0c\\\r\n".contains(byte)),
            "nothing is passed over: {text:?}"
        );
        depth += i64::from(token.kind == Kind::Indent) - i64::from(token.kind == Kind::Dedent);
        assert!(depth >= 0, "{text:?}");
        at = end;
    }
    assert!(text[at..].iter().all(|byte| b" \t\x0c\\\r\n".contains(byte)), "nothing is left: {text:?}");
    assert_eq!(depth, 0, "{text:?}");
    shingles.clear();
    let meaning = extractor.read(text, shingles);
    assert!(shingles.is_sorted_by(|one, two| one < two));
    let mut again = Vec::new();
    assert_eq!(
        Extractor::default().read(text, &mut again),
        meaning,
        "what was read before leaves no trace: {text:?}"
    );
    assert_eq!(&again, shingles);
}

#[test]
fn any_bytes_are_read() {
    let times: usize = std::env::var("FORGE_FUZZ").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    let mut chance = Chance(0x2545_f491_4f6c_dd1d);
    let (mut tokens, mut extractor, mut shingles) = (Vec::new(), Extractor::default(), Vec::new());
    let mut before = Vec::new();
    for _ in 0..20_000 * times {
        let text = chance.text();
        check(&text, &mut tokens, &mut extractor, &mut shingles);
        if chance.below(16) == 0 {
            let mut words = Words::default();
            let (one, two) = (words.of(&before), words.of(&text));
            let steps = distance(&one, &two, usize::MAX);
            assert_eq!(steps, distance(&two, &one, usize::MAX));
            assert!(steps.is_some_and(|steps| steps <= one.len().max(two.len())));
        }
        before = text;
    }
}

#[test]
fn every_place_to_cut_real_code_is_survived() {
    let (mut tokens, mut extractor, mut shingles) = (Vec::new(), Extractor::default(), Vec::new());
    let text = REAL[1].as_bytes();
    for at in (0..text.len()).step_by(7) {
        check(&text[at..(at + 500).min(text.len())], &mut tokens, &mut extractor, &mut shingles);
        check(&text[..at.min(2000)], &mut tokens, &mut extractor, &mut shingles);
    }
}

#[test]
fn deep_nesting_needs_no_deep_stack() {
    let mut shingles = Vec::new();
    for piece in [
        "(",
        "[",
        "f(",
        "not ",
        "-",
        "a if b else ",
        "lambda: ",
        "a=",
        "{",
        "if a:",
        "(lambda x=",
        "a<",
        "a**",
    ] {
        let text = piece.repeat(50_000);
        shingles.clear();
        Extractor::default().read(text.as_bytes(), &mut shingles);
        assert!(!shingles.is_empty());
    }
    let blocks: String = (0..400).map(|depth| format!("{}if a:\n", " ".repeat(depth))).collect();
    Extractor::default().read(blocks.as_bytes(), &mut shingles);
}
