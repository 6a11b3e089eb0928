//! What a worker has in hand beyond the job that runs.
//!
//! One job may be *primed*: its candidate has all it needs but the last byte, which the zygote adds as soon as
//! the candidate before it is gone and swept away. So nothing waits for the supervisor between two jobs. One more
//! is with the compiler. Both go back to the queue if the job that runs turns out long.

use std::time::Instant;

use crate::error::Result;
use crate::launch::Zygote;
use crate::posts::Candidate;
use crate::queue::{Queue, Ticket};

/// The jobs after the one that runs.
#[derive(Default)]
pub struct Ahead {
    /// Its candidate begins by itself.
    primed: Option<(Ticket, Candidate)>,
    /// Its source is being compiled.
    next: Option<Ticket>,
}

impl Ahead {
    /// Whether a job begins by itself after this one.
    pub fn is_primed(&self) -> bool {
        self.primed.is_some()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.primed.is_none() && self.next.is_none()
    }

    /// The job to go on with, and its candidate if it has one already.
    pub fn take(&mut self) -> Option<(Ticket, Option<Candidate>)> {
        let primed = self.primed.take().map(|(ticket, candidate)| (ticket, Some(candidate)));
        primed.or_else(|| self.next.take().map(|ticket| (ticket, None)))
    }

    /// The job that is being compiled.
    pub fn next(&self) -> Option<&Ticket> {
        self.next.as_ref()
    }

    /// Takes in hand a job that is being compiled.
    pub fn set_next(&mut self, ticket: Ticket) {
        self.next = Some(ticket);
    }

    /// That job has been given to a candidate.
    pub fn prime(&mut self, candidate: Candidate) {
        self.primed = self.next.take().map(|ticket| (ticket, candidate));
    }

    /// The end that the primed job waits for has been heard of: it begins.
    pub fn begin(&mut self, now: Instant) {
        if let Some((_, candidate)) = &mut self.primed {
            candidate.begun = now;
        }
    }

    /// Puts all back into the queue.
    ///
    /// # Errors
    /// The zygote of a candidate that was made for nothing is lost.
    pub fn give_back(&mut self, queue: &Queue, zygote: &mut Zygote) -> Result<()> {
        let primed = self.abandon(queue);
        primed.map_or(Ok(()), |candidate| candidate.dismiss(zygote))
    }

    /// Puts all back into the queue; a candidate that was made for nothing is the caller's.
    pub fn abandon(&mut self, queue: &Queue) -> Option<Candidate> {
        self.next.take().into_iter().for_each(|ticket| queue.give_back(ticket));
        self.primed.take().map(|(ticket, candidate)| {
            queue.give_back(ticket);
            candidate
        })
    }
}
