//! What an answer of a candidate means for the step of a table that asked for it.

use crate::report::{Failure, Seen};
use crate::table::Step;
use crate::text::{SHOWN, bounded, without_addresses};
use crate::value::Value;

/// What a call has come to.
pub enum Answer {
    /// A value.
    Value(Value),
    /// An exception: its type and text.
    Raised(String, String),
    /// Something that is not plain, of this type.
    Foreign(String),
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
    let value = match answer {
        Answer::Value(value) => value,
        Answer::Raised(exception, message) => return Some(raised(&exception, &message)),
        Answer::Foreign(name) => return Some(unlike(Seen::Text(format!("<{name}>")))),
    };
    match step.check.holds(&value) {
        Ok(true) => None,
        Ok(false) => Some(unlike(Seen::Plain(value))),
        Err(error) => Some(raised(&error.exception, &error.message)),
    }
}
