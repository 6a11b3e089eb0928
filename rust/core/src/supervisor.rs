//! The supervisor as its callers see it: started, given batches of jobs, stopped. The work is `engine`'s.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::active::Ticket;
use crate::config::{Confinement, Job, Level};
use crate::engine::{Engine, Message};
use crate::error::{Error, Result, Step};
use crate::sys;
use crate::value::MAX_BYTES;
use crate::verdict::Execution;
pub use crate::worker::Launch;

/// What a supervisor is told at its start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The interpreter to start.
    pub launch: Launch,
    /// What zygotes confine themselves to; the level is the highest to try.
    pub confinement: Confinement,
    /// The lowest level to accept.
    pub least: Level,
    /// How many workers to run at most.
    pub workers: usize,
    /// Whether jobs may be judged in a shared process.
    pub allow_shared: bool,
}

/// A running sandbox.
#[derive(Debug)]
pub struct Supervisor {
    mailbox: Mailbox,
    thread: Option<JoinHandle<()>>,
    level: Level,
    batches: AtomicU64,
}

#[derive(Clone, Debug)]
struct Mailbox {
    sender: Sender<Message>,
    bell: Arc<File>,
}

impl Mailbox {
    fn post(&self, message: Message) {
        if self.sender.send(message).is_ok() {
            // A full pipe rings as well.
            drop((&*self.bell).write(&[1]));
        }
    }
}

impl Supervisor {
    /// Starts the supervisor's thread and its first worker, at the highest level that the host gives.
    ///
    /// # Errors
    /// Not even the lowest accepted level can be reached; the reason names the wall.
    pub fn start(options: Options) -> Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let (listen, bell) = sys::pipe().step("make a pipe")?;
        sys::set_nonblocking(listen.as_fd()).step("make a pipe")?;
        sys::set_nonblocking(bell.as_fd()).step("make a pipe")?;
        let (announce, level) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("forge-sandbox".to_owned())
            .spawn(move || match Engine::start(options, receiver, File::from(listen)) {
                Ok(mut engine) => {
                    drop(announce.send(Ok(engine.level())));
                    engine.run();
                }
                Err(error) => drop(announce.send(Err(error))),
            })
            .step("start a thread")?;
        let level = level.recv().map_err(|_| Error::Start("the supervisor died".to_owned()))??;
        Ok(Self {
            mailbox: Mailbox { sender, bell: Arc::new(File::from(bell)) },
            thread: Some(thread),
            level,
            batches: AtomicU64::new(0),
        })
    }

    /// The level that was reached.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Opens a batch: jobs that are submitted and delivered together.
    #[must_use]
    pub fn batch(&self) -> Batch {
        let (sink, results) = mpsc::channel();
        Batch {
            id: self.batches.fetch_add(1, Ordering::Relaxed),
            mailbox: self.mailbox.clone(),
            sink,
            results,
            submitted: 0,
        }
    }

    /// Ends all workers and waits until they are gone.
    pub fn stop(&mut self) {
        self.mailbox.post(Message::Stop);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A stream of jobs and their executions. Dropping it cancels what is not done.
#[derive(Debug)]
pub struct Batch {
    id: u64,
    mailbox: Mailbox,
    sink: Sender<Execution>,
    results: Receiver<Execution>,
    submitted: u64,
}

impl Batch {
    /// Queues a job; returns its position.
    pub fn submit(&mut self, job: Job) -> u64 {
        let index = self.submitted;
        self.submitted += 1;
        self.mailbox.post(Message::Submit(Ticket {
            batch: self.id,
            index,
            job: Arc::new(job),
            sink: self.sink.clone(),
            shared: false,
            alone: false,
        }));
        index
    }

    /// The next execution that is done, whichever it is; `None` if there is none within the time.
    #[must_use]
    pub fn next(&self, patience: Duration) -> Option<Execution> {
        self.results.recv_timeout(patience).ok()
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.mailbox.post(Message::Cancel(self.id));
    }
}

/// Whether a job is small enough to be carried to a zygote.
#[must_use]
pub fn fits(job: &Job) -> bool {
    let texts = job.tests.iter().chain(&job.probes).map(|text| text.len() + 8).sum::<usize>();
    job.source.len() + job.setup.len() + job.entry_point.len() + texts + 1024 < MAX_BYTES
}
