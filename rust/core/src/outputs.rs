//! Comparing what a whole program printed with what it should have.

use crate::closeness::close_floats;

/// Where two outputs first differ: the line's number from 0, and what is there, white space at the end of
/// lines and empty lines at the end of the output left out.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference<'a> {
    pub line: usize,
    pub got: Vec<&'a [u8]>,
    pub expected: Vec<&'a [u8]>,
}

/// The first difference. White space at the end of lines and empty lines at the end do not count; with a
/// tolerance, lines are compared word by word, and words that are both numbers need only be close.
pub fn difference<'a>(got: &'a [u8], expected: &'a [u8], tolerance: f64) -> Option<Difference<'a>> {
    let (got, expected) = (lines(got), lines(expected));
    let same = |line: usize| match (got.get(line), expected.get(line)) {
        (Some(got), Some(expected)) => {
            got == expected || (tolerance > 0.0 && alike(got, expected, tolerance))
        }
        (None, None) => true,
        _ => false,
    };
    let line = (0..got.len().max(expected.len())).find(|line| !same(*line))?;
    let rest = |lines: &[&'a [u8]]| lines.get(line..).unwrap_or_default().to_vec();
    Some(Difference { line, got: rest(&got), expected: rest(&expected) })
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
}

fn alike(got: &[u8], expected: &[u8], tolerance: f64) -> bool {
    let words = |line| <[u8]>::split(line, u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let (mut got, mut expected) = (words(got), words(expected));
    loop {
        match (got.next(), expected.next()) {
            (None, None) => return true,
            (Some(got), Some(expected)) if got == expected => {}
            (Some(got), Some(expected)) => match (number(got), number(expected)) {
                (Some(got), Some(expected)) if close_floats(got, expected, tolerance) => {}
                _ => return false,
            },
            _ => return false,
        }
    }
}

fn number(word: &[u8]) -> Option<f64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::difference;

    fn same(got: &str, expected: &str, tolerance: f64) -> bool {
        difference(got.as_bytes(), expected.as_bytes(), tolerance).is_none()
    }

    #[test]
    fn white_space_at_ends_does_not_count() {
        assert!(same("1 2 \r\n3\n\n", "1 2\n3", 0.0));
        assert!(same("", "\n \n", 0.0));
        assert!(!same("1\n\n2", "1\n2", 0.0));
        assert!(!same(" 1", "1", 0.0));
        assert!(!same("1  2", "1 2", 0.0));
        assert!(!same("1.0", "1", 0.0));
    }

    #[test]
    fn numbers_may_be_close_and_words_may_not() {
        assert!(same("x 0.3333333", "x  0.33333333333", 1e-6));
        assert!(same("1e0 2", "1 2.0", 1e-9));
        assert!(!same("1 2", "1 2 3", 0.1));
        assert!(!same("y 1", "x 1", 0.1));
        assert!(!same("1\n2", "1 2", 0.1));
        assert!(same("nan inf", "nan inf", 0.1));
        assert!(!same("nan", "NaN", 0.1));
        assert!(!same("inf", "1", 0.1));
    }

    #[test]
    fn the_first_difference_is_found() {
        let found = difference(b"a\nb\nc", b"a\nx", 0.0);
        assert_eq!(found.as_ref().map(|found| found.line), Some(1));
        assert_eq!(found.map(|found| (found.got.len(), found.expected.len())), Some((2, 1)));
    }
}
