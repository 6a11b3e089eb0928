//! Texts for people: bounded, and the same on every run.

/// The most characters of one text in a failure.
pub const SHOWN: usize = 200;

/// At most `limit` characters of a text, with a mark where something was cut.
#[must_use]
pub fn bounded(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some(_) => text.chars().take(limit.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// A text without addresses in memory.
#[must_use]
pub fn without_addresses(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find(" at 0x") {
        out.push_str(&rest[..place]);
        rest = rest[place + 6..].trim_start_matches(|letter: char| letter.is_ascii_hexdigit());
    }
    out + rest
}
