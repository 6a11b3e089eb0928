//! The sandbox as its callers see it: started, given batches of jobs, stopped.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::config::{Confinement, Job, Level, Limits, Tests};
use crate::error::{Error, Result, Step};
pub use crate::launch::Launch;
use crate::queue::{Order, Queue};
use crate::sys;
use crate::value::{MAX_BYTES, MAX_NODES, Value};
use crate::verdict::Execution;
use crate::work::Work;
use crate::worker::{Shared, Worker};

/// How many host users, from the given one on, the zygotes share out; each worker has two.
const USERS: usize = 64;

/// What a sandbox is told at its start.
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
    /// The limits of jobs that are to be expected.
    pub limits: Limits,
}

/// A worker's thread and what wakes it.
struct Hand {
    bell: File,
    thread: JoinHandle<()>,
}

/// What the supervisor and its batches share.
struct Core {
    shared: Arc<Shared>,
    confinement: Confinement,
    limits: Limits,
    workers: usize,
    hands: Mutex<Vec<Hand>>,
}

/// A running sandbox.
pub struct Supervisor {
    core: Arc<Core>,
}

impl Core {
    fn hands(&self) -> std::sync::MutexGuard<'_, Vec<Hand>> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts one more worker, with a host user of its own where there is a choice. `prove` makes it start its
    /// zygote at once, and wait for that.
    fn hire(&self, level: Level, prove: bool) -> Result<()> {
        let mut hands = self.hands();
        let (listen, bell) = sys::pipe().step("make a pipe")?;
        sys::set_nonblocking(listen.as_fd()).step("make a pipe")?;
        sys::set_nonblocking(bell.as_fd()).step("make a pipe")?;
        let mut confinement = self.confinement.clone();
        confinement.level = level;
        confinement.user += u32::try_from(2 * hands.len() % USERS).unwrap_or(0);
        let (shared, limits) = (Arc::clone(&self.shared), self.limits);
        let (announce, started) = mpsc::channel();
        let work = move |listen: OwnedFd| {
            let mut worker = Worker::new(shared, confinement, limits, File::from(listen));
            let outcome = if prove { worker.start() } else { Ok(()) };
            let failed = outcome.is_err();
            drop(announce.send(outcome));
            if !failed {
                worker.live();
            }
        };
        let thread = std::thread::Builder::new()
            .name("forge-sandbox".to_owned())
            .spawn(move || work(listen))
            .step("start a thread")?;
        started.recv().map_err(|_| Error::Start("a worker died".to_owned()))??;
        hands.push(Hand { bell: File::from(bell), thread });
        Ok(())
    }

    fn ring(&self) {
        for hand in self.hands().iter() {
            // A full pipe rings as well.
            drop((&hand.bell).write(&[1]));
        }
    }
}

impl Supervisor {
    /// Starts the first worker, at the highest level that the host gives.
    ///
    /// # Errors
    /// Not even the lowest accepted level can be reached; the reason names the wall.
    pub fn start(options: Options) -> Result<Self> {
        let shared = Arc::new(Shared {
            queue: Queue::default(),
            launch: options.launch,
            allow_shared: options.allow_shared,
            gate: RwLock::new(()),
            waiting: AtomicUsize::new(0),
        });
        let most = options.confinement.level;
        let mut core = Core {
            shared,
            confinement: options.confinement,
            limits: options.limits,
            workers: options.workers,
            hands: Mutex::default(),
        };
        let mut reasons = Vec::new();
        for level in Level::ALL.into_iter().filter(|level| *level <= most && *level >= options.least) {
            match core.hire(level, true) {
                Ok(()) => {
                    core.confinement.level = level;
                    return Ok(Self { core: Arc::new(core) });
                }
                Err(error) => reasons.push(format!("{}: {error}", level.name())),
            }
        }
        Err(Error::Start(reasons.join("; ")))
    }

    /// The level that was reached.
    #[must_use]
    pub fn level(&self) -> Level {
        self.core.confinement.level
    }

    /// Opens a batch: jobs that are submitted and delivered together.
    #[must_use]
    pub fn batch(&self) -> Batch {
        let (sink, results) = mpsc::channel();
        let order = Arc::new(Order::new(sink));
        Batch { core: Arc::clone(&self.core), order, results, submitted: 0 }
    }

    /// Ends all workers and waits until they are gone.
    pub fn stop(&mut self) {
        self.core.shared.queue.stop();
        self.core.ring();
        let hands = std::mem::take(&mut *self.core.hands());
        for hand in hands {
            drop(hand.thread.join());
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A stream of jobs and their executions. Dropping it cancels what is not done.
pub struct Batch {
    core: Arc<Core>,
    order: Arc<Order>,
    results: Receiver<Execution>,
    submitted: u64,
}

impl Batch {
    /// Queues a program; returns its position.
    pub fn submit(&mut self, source: Vec<u8>, tests: Tests, limits: Limits) -> u64 {
        let index = self.submitted;
        self.submitted += 1;
        let queue = &self.core.shared.queue;
        let job = Arc::new(Job { source, tests: queue.prepare(tests), limits });
        if queue.submit(&self.order, job, index) && self.core.hands().len() < self.core.workers {
            // If that fails, the workers there are do the work.
            drop(self.core.hire(self.core.confinement.level, false));
        }
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
        self.core.shared.queue.forget(&self.order);
        self.core.ring();
    }
}

/// Whether a program and its tests are small enough to be carried to a zygote. Inputs, outputs and files are
/// not carried in one piece, and may be larger.
#[must_use]
pub fn fits(source: &[u8], tests: &Tests) -> bool {
    let work = match &tests.work {
        // Small calls hold few values.
        Work::Calls(calls) if tests.work.size() >= MAX_NODES && !are_few(calls) => MAX_BYTES,
        Work::Calls(_) => tests.work.size(),
        Work::Command(command) => {
            let named = command.environment.iter().map(|(name, value)| name.len() + value.len() + 32);
            let words = command.argv.iter().chain(&command.outputs).map(|word| word.len() + 8);
            words.sum::<usize>() + named.sum::<usize>()
        }
        Work::Tests | Work::Cases(_) => 0,
    };
    source.len() + tests.size() + work + 1024 < MAX_BYTES
}

/// Whether all values of calls together are few enough for one message.
fn are_few(calls: &[Vec<u8>]) -> bool {
    let calls: Result<Vec<Value>> = calls.iter().map(|call| Value::decode(call)).collect();
    calls.is_ok_and(|calls| Value::decode(&Value::List(calls).encode()).is_ok())
}
