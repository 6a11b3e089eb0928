//! The words of Python: keywords and operators as small numbers, and what is known of built-in functions.

use super::hash::word;

/// Numbers of operators and of other marks.
pub mod mark {
    macro_rules! marks {
        ($($name:ident)*) => { marks!(@ 1u8; $($name)*); };
        (@ $number:expr; $name:ident $($rest:ident)*) => {
            #[allow(missing_docs)]
            pub const $name: u8 = $number;
            marks!(@ $number + 1; $($rest)*);
        };
        (@ $number:expr;) => {};
    }
    marks! {
        OPEN OPEN_SQUARE OPEN_CURLY CLOSE CLOSE_SQUARE CLOSE_CURLY
        COMMA COLON SEMICOLON DOT ELLIPSIS ASSIGN WALRUS ARROW
        PLUS MINUS STAR SLASH FLOOR PERCENT AT POWER LEFT RIGHT AND OR XOR TILDE
        LESS GREATER AT_MOST AT_LEAST SAME DIFFERENT
        PLUS_TO MINUS_TO STAR_TO SLASH_TO FLOOR_TO PERCENT_TO AT_TO POWER_TO LEFT_TO RIGHT_TO AND_TO OR_TO XOR_TO
    }

    /// The longest mark that these bytes begin with, none that is a bracket, dot or blank: its length and number.
    #[inline]
    pub fn longest(first: u8, second: u8, third: u8) -> Option<(usize, u8)> {
        Some(match (first, second, third) {
            (b',', ..) => (1, COMMA),
            (b':', b'=', _) => (2, WALRUS),
            (b':', ..) => (1, COLON),
            (b'=', b'=', _) => (2, SAME),
            (b'=', ..) => (1, ASSIGN),
            (b'-', b'>', _) => (2, ARROW),
            (b'-', b'=', _) => (2, MINUS_TO),
            (b'-', ..) => (1, MINUS),
            (b'+', b'=', _) => (2, PLUS_TO),
            (b'+', ..) => (1, PLUS),
            (b'*', b'*', b'=') => (3, POWER_TO),
            (b'*', b'*', _) => (2, POWER),
            (b'*', b'=', _) => (2, STAR_TO),
            (b'*', ..) => (1, STAR),
            (b'/', b'/', b'=') => (3, FLOOR_TO),
            (b'/', b'/', _) => (2, FLOOR),
            (b'/', b'=', _) => (2, SLASH_TO),
            (b'/', ..) => (1, SLASH),
            (b'%', b'=', _) => (2, PERCENT_TO),
            (b'%', ..) => (1, PERCENT),
            (b'<', b'<', b'=') => (3, LEFT_TO),
            (b'<', b'<', _) => (2, LEFT),
            (b'<', b'=', _) => (2, AT_MOST),
            (b'<', ..) => (1, LESS),
            (b'>', b'>', b'=') => (3, RIGHT_TO),
            (b'>', b'>', _) => (2, RIGHT),
            (b'>', b'=', _) => (2, AT_LEAST),
            (b'>', ..) => (1, GREATER),
            (b'!', b'=', _) => (2, DIFFERENT),
            (b'&', b'=', _) => (2, AND_TO),
            (b'&', ..) => (1, AND),
            (b'|', b'=', _) => (2, OR_TO),
            (b'|', ..) => (1, OR),
            (b'^', b'=', _) => (2, XOR_TO),
            (b'^', ..) => (1, XOR),
            (b'@', b'=', _) => (2, AT_TO),
            (b'@', ..) => (1, AT),
            (b'~', ..) => (1, TILDE),
            (b';', ..) => (1, SEMICOLON),
            _ => return None,
        })
    }

    /// The operator of an augmented assignment such as `+=`.
    pub fn of_augmented(mark: u8) -> Option<u8> {
        Some(match mark {
            PLUS_TO..=POWER_TO => mark - PLUS_TO + PLUS,
            LEFT_TO..=XOR_TO => mark - LEFT_TO + LEFT,
            _ => return None,
        })
    }
}

macro_rules! keywords {
    ($($name:ident $text:literal)*) => {
        /// Numbers of keywords; none is 0.
        #[allow(missing_docs)]
        pub mod key {
            keywords!(@ 1u8; $($name)*);
        }
        const KEYWORDS: &[(&[u8], u8)] = &[$(($text, key::$name)),*];
    };
    (@ $number:expr; $name:ident $($rest:ident)*) => {
        pub const $name: u8 = $number;
        keywords!(@ $number + 1; $($rest)*);
    };
    (@ $number:expr;) => {};
}

keywords! {
    DEF b"def" CLASS b"class" RETURN b"return" IMPORT b"import" WHILE b"while" TRY b"try" EXCEPT b"except"
    FINALLY b"finally" WITH b"with" RAISE b"raise" DEL b"del" PASS b"pass" BREAK b"break" CONTINUE b"continue"
    GLOBAL b"global" NONLOCAL b"nonlocal" ASSERT b"assert" ELIF b"elif"
    IF b"if" ELSE b"else" FOR b"for" ASYNC b"async" FROM b"from" AS b"as" YIELD b"yield" LAMBDA b"lambda"
    AND b"and" OR b"or" NOT b"not" IN b"in" IS b"is" AWAIT b"await"
    NONE b"None" TRUE b"True" FALSE b"False"
}

/// Numbers that stand for marks in shingles.
pub static MARK_CODES: [u64; 256] = codes(1);
/// Numbers that stand for keywords in shingles.
pub static KEYWORD_CODES: [u64; 256] = codes(1 << 8);

const fn codes(step: u64) -> [u64; 256] {
    let mut found = [0; 256];
    let mut number = 0;
    while number < 256 {
        found[number] = code_of(step * number as u64 + 16);
        number += 1;
    }
    found
}

/// A number for shingles that is like no other.
pub const fn code_of(number: u64) -> u64 {
    number.wrapping_mul(SPREAD).rotate_left(29).wrapping_mul(0xd1b5_4a32_d192_ed03)
}

/// Whether no expression can hold this keyword, so that a line that begins with it is inside no bracket.
pub fn is_statement(keyword: u8) -> bool {
    (key::DEF..=key::ELIF).contains(&keyword)
}

/// Whether a line that begins with this keyword ends in a colon and has a block.
pub fn has_block(keyword: u8) -> bool {
    matches!(
        keyword,
        key::DEF | key::CLASS | key::WHILE | key::TRY | key::EXCEPT | key::FINALLY | key::WITH | key::ELIF
    ) || matches!(keyword, key::IF | key::ELSE | key::FOR | key::ASYNC)
}

const SLOTS: usize = 128;
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

const fn slot(word: u64) -> usize {
    (word.wrapping_mul(SPREAD) >> 57) as usize
}

/// Keywords by their bytes as a number; a slot that is taken passes on to the next.
static TABLE: [(u64, u8); SLOTS] = table();

const fn table() -> [(u64, u8); SLOTS] {
    let mut table = [(0, 0); SLOTS];
    let mut place = 0;
    while place < KEYWORDS.len() {
        let (text, number) = KEYWORDS[place];
        let mut word = 0;
        let mut at = text.len();
        while at > 0 {
            at -= 1;
            word = word << 8 | text[at] as u64;
        }
        let mut at = slot(word);
        while table[at].1 != 0 {
            at = (at + 1) % SLOTS;
        }
        table[at] = (word, number);
        place += 1;
    }
    table
}

/// The keyword that these at most eight bytes are, 0 if they are none.
#[inline]
pub fn keyword(word: u64) -> u8 {
    let mut at = slot(word);
    loop {
        let (found, number) = TABLE[at];
        if found == word || number == 0 {
            return if found == word { number } else { 0 };
        }
        at = (at + 1) % SLOTS;
    }
}

/// What is known of a name that no snippet has to define.
pub mod known {
    /// A built-in name.
    pub const BUILTIN: u16 = 1;
    /// A function or method without effects.
    pub const PURE: u16 = 2;
    /// It gives a number.
    pub const NUMBER: u16 = 4;
    /// It gives text.
    pub const TEXT: u16 = 8;
    /// It sees local names as data.
    pub const REFLECTS: u16 = 16;
    /// A method of a built-in type.
    pub const METHOD: u16 = 32;
    /// A module of the standard library whose import changes nothing else.
    pub const MODULE: u16 = 64;
}

use known::{BUILTIN, METHOD, MODULE, NUMBER, PURE, REFLECTS, TEXT};

const KNOWN: &[(u16, &str)] = &[
    (
        BUILTIN,
        "ArithmeticError AssertionError AttributeError BaseException BufferError EOFError Ellipsis Exception \
         FileNotFoundError FloatingPointError ImportError IndexError IOError KeyError KeyboardInterrupt LookupError \
         MemoryError ModuleNotFoundError NameError NotImplemented NotImplementedError OSError OverflowError \
         RecursionError RuntimeError StopIteration SyntaxError SystemExit TimeoutError TypeError \
         UnboundLocalError UnicodeDecodeError UnicodeEncodeError UnicodeError ValueError Warning \
         ZeroDivisionError __name__ aiter anext breakpoint bytearray classmethod compile delattr filter getattr \
         input iter map memoryview next object open print property setattr staticmethod super __import__",
    ),
    (BUILTIN | REFLECTS, "eval exec locals globals vars dir"),
    (
        BUILTIN | PURE | NUMBER,
        "abs bool divmod float hash id int len ord pow round isinstance issubclass callable all any",
    ),
    (BUILTIN | PURE | TEXT, "ascii bin chr format hex oct repr str"),
    (
        BUILTIN | PURE,
        "bytes complex dict enumerate frozenset hasattr list max min range reversed set slice sorted sum tuple type zip",
    ),
    (METHOD | PURE | NUMBER, "count find index rfind rindex bit_length sqrt floor ceil gcd fabs"),
    (
        METHOD | PURE | TEXT,
        "capitalize casefold center join ljust lower lstrip replace rjust rstrip strip swapcase title upper zfill",
    ),
    (
        METHOD | PURE,
        "copy encode decode endswith get isalnum isalpha isdecimal isdigit isidentifier islower isnumeric isspace \
         istitle isupper items keys most_common partition rpartition rsplit split splitlines startswith values",
    ),
    (
        MODULE,
        "abc array ast base64 bisect calendar cmath collections contextlib copy csv datetime decimal enum fractions \
         functools hashlib heapq io itertools json math numbers operator os queue random re statistics string struct \
         sys textwrap time traceback types typing unicodedata uuid",
    ),
];

const KNOWN_SLOTS: usize = 1024;

/// What is known of names, by a hash of their bytes: `(hash, flags)`.
static KNOWN_TABLE: std::sync::LazyLock<Vec<(u64, u16)>> = std::sync::LazyLock::new(|| {
    let mut table = vec![(0, 0); KNOWN_SLOTS];
    for &(flags, names) in KNOWN {
        for name in names.split_whitespace() {
            let hash = super::hash::Wide::bytes(name.as_bytes()).0;
            let mut at = hash as usize % KNOWN_SLOTS;
            while table[at].1 != 0 && table[at].0 != hash {
                at = (at + 1) % KNOWN_SLOTS;
            }
            table[at] = (hash, table[at].1 | flags);
        }
    }
    table
});

/// What is known of the name whose first half of a hash this is.
#[inline]
pub fn of_name(hash: u64) -> u16 {
    let table = &*KNOWN_TABLE;
    let mut at = hash as usize % KNOWN_SLOTS;
    loop {
        let (found, flags) = table[at];
        if found == hash || flags == 0 {
            return flags;
        }
        at = (at + 1) % KNOWN_SLOTS;
    }
}

/// The keyword that a text is, 0 if it is none.
pub fn keyword_of(text: &[u8]) -> u8 {
    if text.len() > 8 { 0 } else { keyword(word(text, 0, text.len())) }
}

#[cfg(test)]
mod tests {
    use super::{KEYWORDS, keyword_of, mark, of_name};
    use crate::dedup::hash::Wide;

    #[test]
    fn every_keyword_is_found_and_nothing_else_is() {
        for (text, number) in KEYWORDS {
            assert_eq!(keyword_of(text), *number);
        }
        for other in ["", "d", "deff", "Def", "none", "nonlocal_", "match", "print"] {
            assert_eq!(keyword_of(other.as_bytes()), 0, "{other}");
        }
    }

    #[test]
    fn built_in_names_are_known() {
        assert_ne!(of_name(Wide::bytes(b"len").0) & super::known::NUMBER, 0);
        assert_eq!(of_name(Wide::bytes(b"length").0), 0);
    }

    #[test]
    fn augmented_assignments_have_the_operator_they_are_named_after() {
        assert_eq!(mark::of_augmented(mark::PLUS_TO), Some(mark::PLUS));
        assert_eq!(mark::of_augmented(mark::POWER_TO), Some(mark::POWER));
        assert_eq!(mark::of_augmented(mark::LEFT_TO), Some(mark::LEFT));
        assert_eq!(mark::of_augmented(mark::XOR_TO), Some(mark::XOR));
        assert_eq!(mark::of_augmented(mark::SAME), None);
    }
}
