//! The closed list of ways in which an execution can end.

/// How an execution ended. The names are those of the Python enumeration of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Every test ran and held.
    Pass,
    /// At least one test ran and did not hold.
    Fail,
    /// The source does not compile, does not load, or lacks its entry point.
    Invalid,
    /// The answer was cut off before it was complete. Never made by the sandbox itself.
    Truncated,
    /// A wall or CPU limit was reached.
    Timeout,
    /// The memory limit was reached.
    Memory,
    /// A process died, left early, or broke its channel.
    Crash,
    /// More was printed than the limit allows.
    Output,
    /// The tests need something that the caller does not allow.
    Refused,
    /// The sandbox or the host failed: says nothing about the program.
    Error,
}

impl Outcome {
    /// Every outcome, in the order of the Python enumeration.
    pub const ALL: [Self; 10] = [
        Self::Pass,
        Self::Fail,
        Self::Invalid,
        Self::Truncated,
        Self::Timeout,
        Self::Memory,
        Self::Crash,
        Self::Output,
        Self::Refused,
        Self::Error,
    ];

    /// The name that rows on disk carry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Invalid => "invalid",
            Self::Truncated => "truncated",
            Self::Timeout => "timeout",
            Self::Memory => "memory",
            Self::Crash => "crash",
            Self::Output => "output",
            Self::Refused => "refused",
            Self::Error => "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn names_are_distinct() {
        let mut names: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Outcome::ALL.len());
    }
}
