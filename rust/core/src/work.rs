//! The forms of work besides tests that are code: calls, cases of a whole program, and commands.

use crate::config::Level;
use crate::error::{Error, Result};
use crate::table::{Call, Check, Step, Table};
use crate::value::Value;

/// What is to be done with a source, or in place of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Work {
    /// Tests decide.
    #[default]
    Tests,
    /// Calls, each one test. Each is the encoding of a tuple: function, arguments, named arguments, expected
    /// value, tolerance.
    Calls(Vec<Vec<u8>>),
    /// The source is a whole program, run once for each case.
    Cases(Vec<Case>),
    /// There is no source; an executable is run.
    Command(Box<Command>),
}

/// How far numbers may be apart; none at all if it is not positive. The same as another if its bits are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tolerance(u64);

impl Tolerance {
    /// Of this size.
    #[must_use]
    pub fn new(size: f64) -> Self {
        Self(size.to_bits())
    }

    /// Its size.
    #[must_use]
    pub fn size(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// What a whole program is to make of one input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Case {
    /// Its standard input.
    pub stdin: Vec<u8>,
    /// What its standard output must be.
    pub stdout: Vec<u8>,
    /// How far numbers in it may be off.
    pub tolerance: Tolerance,
}

/// An executable to be run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Command {
    /// The executable's absolute path, and its arguments.
    pub argv: Vec<Vec<u8>>,
    /// Its whole environment.
    pub environment: Vec<(Vec<u8>, Vec<u8>)>,
    /// Its standard input.
    pub stdin: Vec<u8>,
    /// Files that it finds in its directory: relative path, contents.
    pub files: Vec<(Vec<u8>, Vec<u8>)>,
    /// Relative paths of the files to be handed back.
    pub outputs: Vec<Vec<u8>>,
}

impl Command {
    /// Why it cannot be run as it is meant to at this level; none if it can.
    #[must_use]
    pub fn obstacle(&self, level: Level) -> Option<&'static str> {
        match level {
            Level::Full => None,
            Level::NoNamespaces => Some("no executable may be started at level no-namespaces"),
            Level::RlimitsOnly if self.files.is_empty() && self.outputs.is_empty() => None,
            Level::RlimitsOnly => Some("there is no private writable directory at level rlimits-only"),
        }
    }
}

impl Work {
    /// How many tests it amounts to; tests that are code are not counted here.
    #[must_use]
    pub fn tests(&self) -> usize {
        match self {
            Self::Tests | Self::Command(_) => 0,
            Self::Calls(calls) => calls.len(),
            Self::Cases(cases) => cases.len(),
        }
    }

    /// Whether there is no source.
    #[must_use]
    pub fn is_command(&self) -> bool {
        matches!(self, Self::Command(_))
    }

    /// About how many bytes it holds.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Tests => 0,
            Self::Calls(calls) => calls.iter().map(Vec::len).sum(),
            Self::Cases(cases) => cases.iter().map(|case| case.stdin.len() + case.stdout.len()).sum(),
            Self::Command(command) => {
                let files = command.files.iter().map(|(name, contents)| name.len() + contents.len());
                command.stdin.len() + files.sum::<usize>()
            }
        }
    }
}

/// The table that calls amount to.
///
/// # Errors
/// They are none.
pub fn table(calls: &[Vec<u8>]) -> Result<Table> {
    let tests = calls.iter().map(|call| Ok(vec![step(call)?])).collect::<Result<_>>()?;
    Ok(Table { tests, probes: Vec::new() })
}

/// The step that one call amounts to; its texts are left to whoever writes values out.
fn step(call: &[u8]) -> Result<Step> {
    let Value::Tuple(parts) = Value::decode(call)? else {
        return Err(Error::Malformed("not a call"));
    };
    let [function, arguments, named, expected, Value::Float(tolerance)] = parts.as_slice() else {
        return Err(Error::Malformed("not a call"));
    };
    let check = if *tolerance > 0.0 {
        Check::Close(expected.clone(), *tolerance)
    } else {
        Check::Equal(expected.clone())
    };
    Ok(Step {
        call: Call::from_parts(function, arguments, named)?,
        check,
        text: String::new(),
        expected: String::new(),
        called: String::new(),
        message: None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Command, step};
    use crate::config::Level;
    use crate::table::Check;
    use crate::value::Value;

    #[test]
    fn a_call_becomes_a_step() {
        let parts = |tolerance| {
            let call = Value::Tuple(vec![
                Value::text("f"),
                Value::Tuple(vec![Value::Int(1)]),
                Value::Dict(vec![]),
                Value::Int(2),
                Value::Float(tolerance),
            ]);
            step(&call.encode()).map(|step| step.check).ok()
        };
        assert_eq!(parts(0.0), Some(Check::Equal(Value::Int(2))));
        assert_eq!(parts(0.5), Some(Check::Close(Value::Int(2), 0.5)));
        assert!(step(&Value::None.encode()).is_err());
    }

    #[test]
    fn commands_need_what_their_level_must_give() {
        let mut command = Command {
            argv: vec![b"/bin/true".to_vec()],
            environment: vec![],
            stdin: vec![],
            files: vec![],
            outputs: vec![],
        };
        assert_eq!(command.obstacle(Level::Full), None);
        assert_eq!(command.obstacle(Level::RlimitsOnly), None);
        assert!(command.obstacle(Level::NoNamespaces).is_some());
        command.outputs.push(b"out".to_vec());
        assert_eq!(command.obstacle(Level::Full), None);
        assert!(command.obstacle(Level::RlimitsOnly).is_some());
    }
}
