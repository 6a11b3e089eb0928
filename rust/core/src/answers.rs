//! What an answer of a candidate means for the step of a table that asked for it.

use crate::report::{Failure, Seen};
use crate::shorten::shortened;
use crate::table::{Check, Step};
use crate::text::{SHOWN, bounded, without_addresses};
use crate::value::Value;

/// What a call has come to.
pub enum Answer {
    /// A value.
    Value(Value),
    /// An exception: its type and text.
    Raised(String, String),
    /// A value of a type that is not plain, and a plain one: whether they are equal, and whether they are as
    /// far from any number.
    Like(String, Value, bool, bool),
    /// A value of a type that is not plain, and equals nothing that is; whether it is true.
    Foreign(String, bool),
}

/// Why a test does not hold after this step; none if it still may.
pub fn judge(test: usize, step: &Step, answer: Answer) -> Option<Failure> {
    let written = |text: &str| match text {
        "" => Seen::Call(step.call.clone()),
        text => Seen::Text(text.to_owned()),
    };
    let raised = |exception: &str, message: &str| Failure {
        test,
        kind: "raise".to_owned(),
        call: written(&step.called),
        got: Seen::nothing(),
        expected: Seen::nothing(),
        exception: exception.to_owned(),
        message: bounded(&without_addresses(message), SHOWN),
    };
    // A message that is an expression is not evaluated.
    let unlike = |got| {
        let failure = raised("AssertionError", step.message.as_deref().unwrap_or_default());
        let Some(operand) = step.check.expected() else {
            return Failure { kind: "false".to_owned(), got, ..failure };
        };
        let expected = match step.expected.as_str() {
            "" => Seen::Plain(operand.clone()),
            text => Seen::Text(text.to_owned()),
        };
        Failure { kind: "value".to_owned(), call: written(&step.text), got, expected, ..failure }
    };
    let foreign = |name: &str, truth: bool| match step.check {
        Check::NotEqual(_) | Check::IsNot(_) => None,
        Check::True if truth => None,
        Check::False if !truth => None,
        _ => Some(unlike(Seen::Text(format!("<{name}>")))),
    };
    let value = match answer {
        Answer::Value(value) => value,
        Answer::Raised(exception, message) => return Some(raised(&exception, &message)),
        Answer::Like(name, value, equal, near) => match step.check {
            Check::Near(_) if near => value,
            Check::Equal(_) | Check::NotEqual(_) | Check::Close(..) | Check::True | Check::False if equal => {
                value
            }
            _ => return foreign(&name, true),
        },
        Answer::Foreign(name, truth) => return foreign(&name, truth),
    };
    match step.check.holds(&value) {
        Ok(true) => None,
        Ok(false) => Some(unlike(Seen::Plain(shortened(value)))),
        Err(error) => Some(raised(&error.exception, &error.message)),
    }
}
