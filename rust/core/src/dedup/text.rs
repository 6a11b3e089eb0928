//! String literals: the same hash for every way to write the same text that can be told cheaply.

use super::hash::Wide;
use super::tokens::Token;
use super::words;

const PLAIN: u64 = 1;
const BYTES: u64 = 2;
const FORMATTED: u64 = 3;
const ESCAPED: u64 = 4;

/// The hash of a string token's value: quotes, `r`, `u` and simple escapes make no difference. Of an f-string
/// the names in its fields are left out. `scratch` is overwritten.
pub fn hash(source: &[u8], token: Token, scratch: &mut Vec<u8>) -> Wide {
    let bytes = token.text(source);
    let prefix = bytes.iter().take_while(|byte| byte.is_ascii_alphabetic()).count().min(2);
    let (mut kind, mut raw) = (PLAIN, false);
    for letter in &bytes[..prefix] {
        match letter.to_ascii_lowercase() {
            b'b' => kind = BYTES,
            b'f' => kind = FORMATTED,
            b'r' => raw = true,
            _ => {}
        }
    }
    let (open, content) = inside(&bytes[prefix..]);
    if kind == FORMATTED {
        scratch.clear();
        let mut from = token.start as usize + prefix + open;
        let end = from + content.len();
        for_each_field_name(source, token, |start, past| {
            scratch.extend_from_slice(source.get(from..start as usize).unwrap_or_default());
            scratch.push(0);
            from = past as usize;
        });
        scratch.extend_from_slice(source.get(from..end).unwrap_or_default());
        return Wide::of(kind).then(Wide::bytes(scratch));
    }
    if raw || !content.contains(&b'\\') {
        return Wide::of(kind).then(Wide::bytes(content));
    }
    let simple = unescape(content, scratch);
    Wide::of(if simple { kind } else { kind + ESCAPED }).then(Wide::bytes(scratch))
}

/// How many quotes a string begins with, and what is between them; the end of the token takes the place of
/// quotes that are missing.
fn inside(quoted: &[u8]) -> (usize, &[u8]) {
    let Some(&quote) = quoted.first() else { return (0, quoted) };
    let count = if quoted.starts_with(&[quote; 3]) { 3 } else { 1 };
    let rest = quoted.get(count..).unwrap_or_default();
    let closing = rest.len().saturating_sub(count);
    let closed = rest.len() >= count && rest[closing..].iter().all(|byte| *byte == quote);
    (count, if closed { &rest[..closing] } else { rest })
}

/// Writes the text that these bytes stand for; false if there is an escape that was left as it is.
fn unescape(content: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let mut simple = true;
    let mut bytes = content.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(quote @ (b'\'' | b'"' | b'\\')) => out.push(quote),
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'r') => out.push(b'\r'),
            Some(b'\n') => {}
            Some(other) => {
                simple &= !matches!(
                    other,
                    b'x' | b'u' | b'U' | b'N' | b'0'..=b'7' | b'a' | b'b' | b'f' | b'v' | b'\r'
                );
                out.extend([b'\\', other]);
            }
            None => out.push(b'\\'),
        }
    }
    simple
}

/// Whether a string token is an f-string.
pub fn is_formatted(source: &[u8], token: Token) -> bool {
    let bytes = token.text(source);
    bytes.iter().take(2).take_while(|byte| byte.is_ascii_alphabetic()).any(|byte| matches!(byte, b'f' | b'F'))
}

/// Calls `with` for each variable in the fields of an f-string: where it starts and ends.
pub fn for_each_field_name(source: &[u8], token: Token, mut with: impl FnMut(u32, u32)) {
    let bytes = token.text(source);
    let goes_on = |at: usize| {
        bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80)
    };
    // How many braces are open, how many other brackets inside them, and whether this is how to show a field.
    let (mut open, mut inner, mut format) = (0_u32, 0_u32, false);
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'{' if open == 0 && bytes.get(at) == Some(&b'{') => at += 1,
            b'{' => (open, inner, format) = (open + 1, 0, false),
            b'}' => (open, format) = (open.saturating_sub(1), open > 1),
            _ if open == 0 || format => {}
            b'(' | b'[' => inner += 1,
            b')' | b']' => inner = inner.saturating_sub(1),
            b':' | b'!' if inner == 0 && bytes.get(at) != Some(&b'=') => format = true,
            _ if goes_on(start) => {
                while goes_on(at) {
                    at += 1;
                }
                let word = bytes.get(start..at).unwrap_or_default();
                let behind_dot = start > 0 && bytes.get(start - 1) == Some(&b'.');
                if !byte.is_ascii_digit() && !behind_dot && words::keyword_of(word) == 0 {
                    with(token.start + start as u32, token.start + at as u32);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::hash;
    use crate::dedup::hash::Wide;
    use crate::dedup::lexer::lex;
    use crate::dedup::tokens::Kind;

    fn of(text: &str) -> Wide {
        let mut tokens = Vec::new();
        lex(text.as_bytes(), false, &mut tokens);
        let token = tokens.iter().find(|token| token.kind == Kind::Text).copied();
        hash(text.as_bytes(), token.unwrap_or(tokens[0]), &mut Vec::new())
    }

    #[test]
    fn ways_to_write_the_same_text_are_one() {
        for (one, two) in [
            ("'a'", "\"a\""),
            ("'a'", "'''a'''"),
            ("'it\\'s'", "\"it's\""),
            ("u'a'", "'a'"),
            ("r'\\d'", "'\\\\d'"),
            ("'a\\nb'", "'''a\nb'''"),
            ("f'{x} a'", "f\"\"\"{y} a\"\"\""),
            ("''", "\"\""),
        ] {
            assert_eq!(of(one), of(two), "{one} {two}");
        }
    }

    #[test]
    fn other_texts_are_others() {
        for (one, two) in [
            ("'a'", "'b'"),
            ("'a'", "b'a'"),
            ("'{x}'", "f'{x}'"),
            ("r'\\x41'", "'\\x41'"),
            ("r'\\n'", "'\\n'"),
            ("' a'", "'a'"),
            ("f'{x}'", "f'{x!r}'"),
            ("'\"'", "'\\\"\"'"),
        ] {
            assert_ne!(of(one), of(two), "{one} {two}");
        }
    }
}
