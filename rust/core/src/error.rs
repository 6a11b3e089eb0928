//! The one error type of the sandbox: what could not be done, and why.

use std::io;

/// Something the sandbox or the host could not do. A bad candidate is never an `Error`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed; the step is named in plain words.
    #[error("{step}: {source}")]
    System {
        /// What was being done.
        step: String,
        /// What the system answered.
        source: io::Error,
    },
    /// A peer sent bytes that are not a message of ours.
    #[error("malformed message: {0}")]
    Malformed(&'static str),
    /// A peer closed its channel.
    #[error("channel closed")]
    Closed,
    /// A wall could not be raised.
    #[error("wall {wall:?} cannot be raised: {reason}")]
    Wall {
        /// The wall's name.
        wall: String,
        /// Why it failed.
        reason: String,
    },
    /// No worker could be started; why.
    #[error("{0}")]
    Start(String),
}

/// The result of a step that the host may refuse.
pub type Result<T> = std::result::Result<T, Error>;

/// Names the step that an input or output error belongs to.
pub trait Step<T> {
    /// Turns the error into one that says what was being done.
    fn step(self, step: &str) -> Result<T>;
}

impl<T> Step<T> for io::Result<T> {
    fn step(self, step: &str) -> Result<T> {
        self.map_err(|source| Error::System { step: step.to_owned(), source })
    }
}
