//! What waits to be done, for all workers: jobs of all batches, and who waits for them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::config::{Job, Limits, Tests};
use crate::outcome::Outcome;
use crate::table::Table;
use crate::verdict::Execution;

/// How far down the queue a worker looks for a job that suits it.
const LOOK_AHEAD: usize = 64;
/// How many different tests are kept prepared.
const PREPARED: usize = 4096;
/// How many bytes the inputs and outputs of those may have, about.
const PREPARED_BYTES: usize = 64 << 20;
/// How many executions of a batch are remembered, for programs that come again.
const REMEMBERED: usize = 1024;
/// How long the texts of an execution may be if it is to be remembered.
const REMEMBERED_BYTES: usize = 16 << 10;

/// In which form tests are run.
#[derive(Debug)]
pub enum Form {
    /// As a table of calls: the candidate answers, the supervisor compares.
    Table(Table),
    /// As code, in a process of their own.
    Code,
}

/// Tests that have been compiled.
#[derive(Debug)]
pub struct Code {
    pub bytes: Vec<u8>,
    /// Whether one process may hold them against one program after another.
    pub reusable: bool,
    /// Whether they may import what only a wide zygote has loaded.
    pub wide: bool,
}

/// Tests, and the form that they have been found to have.
#[derive(Debug)]
pub struct Prepared {
    pub tests: Tests,
    pub form: OnceLock<Form>,
    /// Compiled, where they are run as code; none if no clerk could make anything of them.
    pub code: OnceLock<Option<Code>>,
}

/// A batch as its jobs know it.
#[derive(Debug)]
pub struct Order {
    pub cancelled: AtomicBool,
    sink: Sender<Execution>,
    runs: Mutex<Runs>,
}

impl Order {
    pub fn new(sink: Sender<Execution>) -> Self {
        Self { cancelled: AtomicBool::new(false), sink, runs: Mutex::default() }
    }
}

/// The programs of a batch: those on their way, with the positions that wait for each, and those done.
#[derive(Debug, Default)]
struct Runs {
    waiting: HashMap<Key, Vec<u64>>,
    done: HashMap<Key, Execution>,
    oldest: VecDeque<Key>,
}

/// What makes two jobs the same.
#[derive(Clone, Debug)]
struct Key(Arc<Job>);

impl Key {
    fn limits(limits: &Limits) -> [u128; 6] {
        [
            limits.wall.as_nanos(),
            limits.cpu.as_nanos(),
            limits.memory.into(),
            limits.output as u128,
            limits.processes.into(),
            limits.files.into(),
        ]
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0.tests, &other.0.tests)
            && self.0.source == other.0.source
            && Self::limits(&self.0.limits) == Self::limits(&other.0.limits)
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.source.hash(state);
        Arc::as_ptr(&self.0.tests).hash(state);
    }
}

/// A job on its way through the sandbox.
#[derive(Clone, Debug)]
pub struct Ticket {
    pub order: Arc<Order>,
    pub job: Arc<Job>,
    /// To be run while nothing else runs.
    pub alone: bool,
    /// Its place among all that were ever queued.
    number: u64,
}

impl Ticket {
    /// The same, to be run while nothing else runs.
    pub fn alone(&self) -> Self {
        Self { alone: true, ..self.clone() }
    }

    pub fn is_cancelled(&self) -> bool {
        self.order.cancelled.load(Ordering::Relaxed)
    }

    /// Hands an execution to all positions of the batch that hold this program.
    pub fn deliver(&self, execution: Execution) {
        let mut runs = hold(&self.order.runs);
        let key = Key(Arc::clone(&self.job));
        let positions = runs.waiting.remove(&key).unwrap_or_default();
        for index in positions {
            drop(self.order.sink.send(Execution { index, ..execution.clone() }));
        }
        let seen = execution.failures.iter().map(|failure| failure.got.weight()).sum::<usize>();
        let files = execution.files.iter().map(|(_, contents)| contents.len()).sum::<usize>();
        let printed = execution.stdout.len() + execution.stderr.len();
        let size = printed + self.job.source.len() + seen + files;
        if execution.outcome != Outcome::Error && size <= REMEMBERED_BYTES && execution.probes.is_empty() {
            runs.oldest.push_back(key.clone());
            runs.done.insert(key, execution);
            if runs.oldest.len() > REMEMBERED
                && let Some(oldest) = runs.oldest.pop_front()
            {
                runs.done.remove(&oldest);
            }
        }
    }
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Ticket>,
    alone: VecDeque<Ticket>,
    prepared: HashSet<ByTests>,
    prepared_bytes: usize,
    submitted: u64,
    idle: usize,
    stopped: bool,
}

struct ByTests(Arc<Prepared>);

impl PartialEq for ByTests {
    fn eq(&self, other: &Self) -> bool {
        self.0.tests == other.0.tests
    }
}

impl Eq for ByTests {}

impl Hash for ByTests {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.tests.hash(state);
    }
}

/// The queue of all workers.
#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    stirred: Condvar,
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    /// The one prepared form of these tests.
    pub fn prepare(&self, tests: Tests) -> Arc<Prepared> {
        let made = ByTests(Arc::new(Prepared { tests, form: OnceLock::new(), code: OnceLock::new() }));
        let mut state = hold(&self.state);
        if let Some(known) = state.prepared.get(&made) {
            return Arc::clone(&known.0);
        }
        state.prepared_bytes += made.0.tests.work.size();
        if state.prepared.len() >= PREPARED || state.prepared_bytes > PREPARED_BYTES {
            state.prepared.clear();
            state.prepared_bytes = made.0.tests.work.size();
        }
        let prepared = Arc::clone(&made.0);
        state.prepared.insert(made);
        prepared
    }

    /// Queues a job for a position of its batch. A program that the batch holds already is not run again.
    /// True if no worker is free to take it.
    pub fn submit(&self, order: &Arc<Order>, job: Arc<Job>, index: u64) -> bool {
        {
            let mut runs = hold(&order.runs);
            let key = Key(Arc::clone(&job));
            if let Some(execution) = runs.done.get(&key) {
                drop(order.sink.send(Execution { index, ..execution.clone() }));
                return false;
            }
            if let Some(positions) = runs.waiting.get_mut(&key) {
                positions.push(index);
                return false;
            }
            runs.waiting.insert(key, vec![index]);
        }
        let mut state = hold(&self.state);
        let number = state.submitted;
        state.submitted += 1;
        state.waiting.push_back(Ticket { order: Arc::clone(order), job, alone: false, number });
        let crowded = state.waiting.len() > state.idle;
        drop(state);
        self.stirred.notify_one();
        crowded
    }

    /// Puts a job back that was taken too early, before all that came after it: none is passed by for long.
    pub fn give_back(&self, ticket: Ticket) {
        let mut state = hold(&self.state);
        let line = if ticket.alone { &mut state.alone } else { &mut state.waiting };
        let place = line.iter().position(|other| other.number > ticket.number).unwrap_or(line.len());
        line.insert(place, ticket);
        drop(state);
        self.stirred.notify_one();
    }

    /// The next job if there is one, preferably one with the given tests.
    pub fn try_take(&self, preferred: Option<&Arc<Prepared>>) -> Option<Ticket> {
        take(&mut hold(&self.state), preferred)
    }

    /// The same, but leaves a job to each worker that has nothing to do.
    pub fn try_take_ahead(&self, preferred: Option<&Arc<Prepared>>) -> Option<Ticket> {
        let mut state = hold(&self.state);
        if state.waiting.len() > state.idle { take(&mut state, preferred) } else { None }
    }

    /// The next job; waits for one. None when everything ends.
    pub fn take(&self, preferred: Option<&Arc<Prepared>>) -> Option<Ticket> {
        let mut state = hold(&self.state);
        loop {
            if state.stopped {
                return None;
            }
            let ticket = take(&mut state, preferred).or_else(|| state.alone.pop_front());
            if ticket.is_some() {
                return ticket;
            }
            state.idle += 1;
            state = self.stirred.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Forgets what waits for a batch.
    pub fn forget(&self, order: &Arc<Order>) {
        order.cancelled.store(true, Ordering::Relaxed);
        let mut state = hold(&self.state);
        state.waiting.retain(|ticket| !Arc::ptr_eq(&ticket.order, order));
        state.alone.retain(|ticket| !Arc::ptr_eq(&ticket.order, order));
    }

    /// Sends all workers home.
    pub fn stop(&self) {
        hold(&self.state).stopped = true;
        self.stirred.notify_all();
    }

    /// Whether all workers have been sent home.
    pub fn is_stopped(&self) -> bool {
        hold(&self.state).stopped
    }
}

fn take(state: &mut State, preferred: Option<&Arc<Prepared>>) -> Option<Ticket> {
    let suits = |ticket: &Ticket| preferred.is_some_and(|tests| Arc::ptr_eq(tests, &ticket.job.tests));
    let place = state.waiting.iter().take(LOOK_AHEAD).position(suits).unwrap_or(0);
    state.waiting.remove(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);
    const LIMITS: Limits =
        Limits { wall: SECOND, cpu: SECOND, memory: 1 << 29, output: 1 << 16, processes: 16, files: 1 << 24 };

    #[test]
    fn jobs_given_back_keep_their_places() {
        let (queue, order) = (Queue::default(), Arc::new(Order::new(channel().0)));
        let tests = queue.prepare(Tests::default());
        for index in 0..4 {
            let job = Job {
                source: vec![u8::try_from(index).unwrap_or(0)],
                tests: Arc::clone(&tests),
                limits: LIMITS,
            };
            queue.submit(&order, Arc::new(job), index);
        }
        let take = || queue.try_take(None);
        let (first, second) = (take(), take());
        first.into_iter().chain(second).for_each(|ticket| queue.give_back(ticket));
        let order: Vec<u8> = (0..4).filter_map(|_| take()).map(|ticket| ticket.job.source[0]).collect();
        assert_eq!(order, [0, 1, 2, 3]);
    }
}
