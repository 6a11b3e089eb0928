//! Tests as a table of calls: what to call, with which plain values, and what must hold of the answer.
//!
//! What a failed step is reported as, field by field. It is what the judge reports for the same test:
//!
//! | what happened | kind | call | got | expected | exception | message |
//! |---|---|---|---|---|---|---|
//! | `==` did not hold | `value` | `text` | the answer | `expected` | `AssertionError` | `message` |
//! | another check did not hold | `false` | `called` | the answer | empty | `AssertionError` | `message` |
//! | the check itself raised ([`Raised`]) | `raise` | `called` | empty | empty | its type | its text |
//! | the call raised, also an `AssertionError` | `raise` | `called` | empty | empty | its type | its text |
//!
//! A test ends with its first step that fails. A test in which every step holds is `held`, also one without
//! steps. Answers are shown as `shown` of the clerk shows them; all of the step's texts are bounded already,
//! the text of an exception is not. Where `message` is `None`, a failing assert evaluates an expression, which
//! may call the candidate again: of rows one and two only the judge can tell what would be reported.

use std::cmp::Ordering;

use crate::closeness::close;
use crate::equality::{equal, range_length};
use crate::error::{Error, Result};
use crate::integer;
use crate::value::Value;

const MALFORMED: Error = Error::Malformed("not a table of calls");

/// A call of one of the candidate's functions.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The function's name.
    pub function: Vec<u8>,
    /// A tuple.
    pub arguments: Value,
    /// A dictionary from text.
    pub named: Value,
}

/// What must hold of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// `answer == operand`
    Equal(Value),
    /// `answer != operand`
    NotEqual(Value),
    /// `answer is operand`, which is `None`, `True` or `False`
    Is(Value),
    /// `answer is not operand`, which is `None`, `True` or `False`
    IsNot(Value),
    /// `answer`
    True,
    /// `not answer`
    False,
    /// `abs(answer - centre) < tolerance`, and its like.
    Near(Near),
    /// `answer == operand`, but for numbers that are off by no more than this.
    Close(Value, f64),
}

/// How near an answer must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Near {
    centre: Centre,
    tolerance: f64,
    inclusive: bool,
    /// Whether the answer is subtracted from the centre; seen only in the text of an exception.
    reversed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Centre {
    Int(i64),
    Float(f64),
}

/// The exception that a check itself raises, as Python would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    /// The type's name.
    pub exception: String,
    /// The text.
    pub message: String,
}

/// One call and its check.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What to call.
    pub call: Call,
    /// What must hold.
    pub check: Check,
    /// What the step is about, where `==` did not hold.
    pub text: String,
    /// What should have come back, where `==` did not hold.
    pub expected: String,
    /// What the step is about, where anything else happened.
    pub called: String,
    /// The assert's own message, if that is known without evaluating it.
    pub message: Option<String>,
}

/// The tests of a job and its probes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The steps of every test.
    pub tests: Vec<Vec<Step>>,
    /// The calls whose answers are asked for.
    pub probes: Vec<Call>,
}

impl Table {
    /// The table that the clerk made.
    ///
    /// # Errors
    /// The value is none.
    pub fn from_value(value: &Value) -> Result<Self> {
        let Value::Tuple(parts) = value else {
            return Err(MALFORMED);
        };
        let [Value::List(tests), Value::List(probes)] = parts.as_slice() else {
            return Err(MALFORMED);
        };
        let tests = tests.iter().map(|test| match test {
            Value::List(steps) => steps.iter().map(Step::from_value).collect(),
            _ => Err(MALFORMED),
        });
        let probes = probes.iter().map(|probe| match probe {
            Value::Tuple(parts) => match parts.as_slice() {
                [function, arguments, named] => Call::from_parts(function, arguments, named),
                _ => Err(MALFORMED),
            },
            _ => Err(MALFORMED),
        });
        Ok(Self { tests: tests.collect::<Result<_>>()?, probes: probes.collect::<Result<_>>()? })
    }

    /// All calls, in the order in which they are made.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.tests.iter().flatten().map(|step| &step.call).chain(&self.probes)
    }
}

impl Call {
    /// From its parts.
    ///
    /// # Errors
    /// They are not text, a tuple and a dictionary from text.
    pub fn from_parts(function: &Value, arguments: &Value, named: &Value) -> Result<Self> {
        match (function, arguments, named) {
            (Value::Str(function), Value::Tuple(_), Value::Dict(items))
                if items.iter().all(|(key, _)| matches!(key, Value::Str(_))) =>
            {
                Ok(Self { function: function.clone(), arguments: arguments.clone(), named: named.clone() })
            }
            _ => Err(MALFORMED),
        }
    }
}

impl Step {
    fn from_value(value: &Value) -> Result<Self> {
        let Value::Tuple(parts) = value else {
            return Err(MALFORMED);
        };
        let [function, arguments, named, kind, operand, Value::Float(tolerance), texts @ ..] =
            parts.as_slice()
        else {
            return Err(MALFORMED);
        };
        let [Value::Str(_), Value::Str(_), Value::Str(_), message @ (Value::Str(_) | Value::None)] = texts
        else {
            return Err(MALFORMED);
        };
        Ok(Self {
            call: Call::from_parts(function, arguments, named)?,
            check: Check::new(&kind.lossy(), operand, *tolerance)?,
            text: texts[0].lossy(),
            expected: texts[1].lossy(),
            called: texts[2].lossy(),
            message: matches!(message, Value::Str(_)).then(|| message.lossy()),
        })
    }
}

impl Check {
    fn new(kind: &str, operand: &Value, tolerance: f64) -> Result<Self> {
        let singleton = matches!(operand, Value::None | Value::Bool(_));
        let near = |inclusive, reversed| {
            let centre = match operand {
                Value::Int(number) => Centre::Int(*number),
                Value::Float(number) => Centre::Float(*number),
                _ => return Err(MALFORMED),
            };
            Ok(Self::Near(Near { centre, tolerance, inclusive, reversed }))
        };
        match kind {
            "eq" => Ok(Self::Equal(operand.clone())),
            "ne" => Ok(Self::NotEqual(operand.clone())),
            "is" if singleton => Ok(Self::Is(operand.clone())),
            "is not" if singleton => Ok(Self::IsNot(operand.clone())),
            "true" => Ok(Self::True),
            "false" => Ok(Self::False),
            "near<" => near(false, false),
            "near<=" => near(true, false),
            "rnear<" => near(false, true),
            "rnear<=" => near(true, true),
            _ => Err(MALFORMED),
        }
    }

    /// Whether the answer passes, as Python would find.
    ///
    /// # Errors
    /// What Python would raise while it looks.
    pub fn holds(&self, answer: &Value) -> std::result::Result<bool, Raised> {
        match self {
            Self::Equal(operand) => Ok(equal(answer, operand)),
            Self::NotEqual(operand) => Ok(!equal(answer, operand)),
            Self::Is(operand) => Ok(answer == operand),
            Self::IsNot(operand) => Ok(answer != operand),
            Self::True => Ok(truth(answer)),
            Self::False => Ok(!truth(answer)),
            Self::Near(near) => near.holds(answer),
            Self::Close(operand, tolerance) => Ok(close(answer, operand, *tolerance)),
        }
    }

    /// The value that was expected, if one was.
    #[must_use]
    pub fn expected(&self) -> Option<&Value> {
        match self {
            Self::Equal(operand) | Self::Close(operand, _) => Some(operand),
            _ => None,
        }
    }
}

impl Near {
    fn holds(&self, answer: &Value) -> std::result::Result<bool, Raised> {
        match (answer, self.centre) {
            (Value::Bool(flag), _) => self.whole(&i64::from(*flag).to_le_bytes()),
            (Value::Int(number), _) => self.whole(&number.to_le_bytes()),
            (Value::BigInt(bytes), _) => self.whole(bytes),
            (Value::Float(number), _) => Ok(self.within((number - self.middle()).abs())),
            (Value::Complex(real, imaginary), _) => {
                absolute(real - self.middle(), *imaginary).map(|far| self.within(far))
            }
            (other, centre) => {
                let centre = if matches!(centre, Centre::Int(_)) { "int" } else { "float" };
                let (left, right) =
                    if self.reversed { (centre, type_name(other)) } else { (type_name(other), centre) };
                let message = format!("unsupported operand type(s) for -: '{left}' and '{right}'");
                Err(Raised { exception: "TypeError".to_owned(), message })
            }
        }
    }

    fn middle(&self) -> f64 {
        match self.centre {
            Centre::Int(number) => number as f64,
            Centre::Float(number) => number,
        }
    }

    fn within(&self, far: f64) -> bool {
        if self.inclusive { far <= self.tolerance } else { far < self.tolerance }
    }

    /// For a whole number. Whole numbers are subtracted exactly; of a whole number and a float, the whole
    /// number is made a float first.
    fn whole(&self, answer: &[u8]) -> std::result::Result<bool, Raised> {
        match self.centre {
            Centre::Int(centre) => Ok(self.spans(&integer::distance(answer, &centre.to_le_bytes()))),
            Centre::Float(centre) => match integer::to_float(answer) {
                Some(number) => Ok(self.within((number - centre).abs())),
                None => Err(overflow("int too large to convert to float")),
            },
        }
    }

    /// Whether a whole distance is within the tolerance, compared exactly.
    fn spans(&self, far: &[u8]) -> bool {
        if self.tolerance.is_nan() || self.tolerance < 0.0 {
            return false;
        }
        if self.tolerance.is_infinite() {
            return true;
        }
        let limit = if self.inclusive { self.tolerance.floor() } else { self.tolerance.ceil() };
        let order = integer::compare(far, &integer::float_magnitude(limit));
        order == Ordering::Less || (self.inclusive && order == Ordering::Equal)
    }
}

fn overflow(message: &str) -> Raised {
    Raised { exception: "OverflowError".to_owned(), message: message.to_owned() }
}

/// Python's `abs` of a complex number.
fn absolute(real: f64, imaginary: f64) -> std::result::Result<f64, Raised> {
    let far = real.hypot(imaginary);
    if far.is_infinite() && real.is_finite() && imaginary.is_finite() {
        return Err(overflow("absolute value too large"));
    }
    Ok(far)
}

/// Whether Python takes a value for true.
fn truth(value: &Value) -> bool {
    match value {
        Value::None => false,
        Value::Bool(flag) => *flag,
        Value::Int(number) => *number != 0,
        Value::BigInt(bytes) => bytes.iter().any(|byte| *byte != 0),
        Value::Float(number) => *number != 0.0,
        Value::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
        Value::Str(bytes) | Value::Bytes(bytes) | Value::ByteArray(bytes) => !bytes.is_empty(),
        Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
            !items.is_empty()
        }
        Value::Dict(items) => !items.is_empty(),
        Value::Range(start, stop, step) => range_length(*start, *stop, *step) > 0,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::None => "NoneType",
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::BigInt(_) => "int",
        Value::Float(_) => "float",
        Value::Complex(..) => "complex",
        Value::Str(_) => "str",
        Value::Bytes(_) => "bytes",
        Value::ByteArray(_) => "bytearray",
        Value::List(_) => "list",
        Value::Tuple(_) => "tuple",
        Value::Dict(_) => "dict",
        Value::Set(_) => "set",
        Value::FrozenSet(_) => "frozenset",
        Value::Range(..) => "range",
    }
}
