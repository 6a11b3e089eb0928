//! One worker: a thread that sees one job after another through its zygotes.
//!
//! While a job runs, the next one is made ready to begin by itself, and the source after that is compiled. A job
//! that turns out long gives both back to the queue.

use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Instant;

use crate::ahead::Ahead;
use crate::clerk::Program;
use crate::commands;
use crate::config::{Confinement, Level, Limits, Role};
use crate::course::{Watch, not_a_program};
use crate::error::{Error, Result};
use crate::launch::Launch;
use crate::outcome::Outcome;
use crate::posts::{Candidate, MOST_EARLY, task};
use crate::programs::Record;
use crate::queue::{Form, Prepared, Queue, Ticket};
use crate::table::Table;
use crate::team::{SPARE, Team};
use crate::verdict::{Conclusion, Execution, Facts, Killed, conclude};
use crate::work::{Case, Command, Work};

/// How often a zygote that does not start is tried again before a job is given up.
const START_ATTEMPTS: u32 = 3;
/// After this many candidates a zygote is replaced, whatever it says.
const RETIREMENT: u64 = 20_000;
/// Spare candidates while there is nothing to do.
const SPARE_IDLE: usize = 4;

/// What all workers share.
pub struct Shared {
    pub queue: Queue,
    pub launch: Launch,
    pub allow_shared: bool,
    /// Held for writing by a job that is to run alone.
    pub gate: RwLock<()>,
    /// How many such jobs wait for it.
    pub waiting: AtomicUsize,
}

/// A worker's own.
pub struct Worker {
    shared: Arc<Shared>,
    confinement: Confinement,
    limits: Limits,
    bell: File,
    /// For nearly all programs.
    plain: Option<Team>,
    /// For programs that need more than most, started when the first comes.
    wide: Option<Team>,
    ahead: Ahead,
    /// When the job at hand was taken up.
    since: Instant,
}

impl Worker {
    pub fn new(shared: Arc<Shared>, confinement: Confinement, limits: Limits, bell: File) -> Self {
        Self {
            shared,
            confinement,
            limits,
            bell,
            plain: None,
            wide: None,
            ahead: Ahead::default(),
            since: Instant::now(),
        }
    }

    /// Starts the plain zygote. Must be called on the thread that goes on with [`Worker::live`].
    pub fn start(&mut self) -> Result<()> {
        self.plain = Some(self.team(false)?);
        Ok(())
    }

    fn team(&self, wide: bool) -> Result<Team> {
        let mut confinement = Confinement { wide, ..self.confinement.clone() };
        confinement.user += u32::from(wide);
        Team::start(&self.shared.launch, &confinement, self.limits)
    }

    /// Works until sent home.
    pub fn live(mut self) {
        let shared = Arc::clone(&self.shared);
        // Kept while a job follows by itself.
        let mut gate = None;
        while let Some((ticket, primed)) = self.take() {
            if ticket.alone {
                shared.waiting.fetch_add(1, Ordering::Relaxed);
                let _gate = shared.gate.write();
                shared.waiting.fetch_sub(1, Ordering::Relaxed);
                self.serve(&ticket, primed);
            } else {
                gate = gate.or_else(|| Some(shared.gate.read()));
                self.serve(&ticket, primed);
                gate = gate.filter(|_| self.ahead.is_primed());
            }
            self.retire();
        }
        self.lose();
    }

    fn preferred(&self) -> Option<Arc<Prepared>> {
        self.plain.as_ref().and_then(Team::held)
    }

    fn take(&mut self) -> Option<(Ticket, Option<Candidate>)> {
        if self.shared.queue.is_stopped() {
            return None;
        }
        if let Some(found) = self.ahead.take() {
            return Some(found);
        }
        let preferred = self.preferred();
        if let Some(ticket) = self.shared.queue.try_take(preferred.as_ref()) {
            return Some((ticket, None));
        }
        // There is time now.
        if self.plain.as_mut().is_some_and(|team| team.keep_spare(SPARE_IDLE, true).is_err()) {
            self.lose();
        }
        self.shared.queue.take(preferred.as_ref()).map(|ticket| (ticket, None))
    }

    fn serve(&mut self, ticket: &Ticket, primed: Option<Candidate>) {
        self.since = primed.as_ref().map_or_else(Instant::now, |candidate| candidate.begun);
        let level = self.confinement.level;
        match self.attempt(ticket, primed) {
            Ok(Some(execution)) => ticket.deliver(execution),
            Ok(None) => {}
            Err(error) => {
                let teams = [&mut self.plain, &mut self.wide].into_iter().flatten();
                let complaints: String = teams.map(|team| team.zygote.complaint()).collect();
                self.lose();
                let reason = format!("{error} {complaints}");
                ticket.deliver(Execution::blank(&ticket.job, level, Outcome::Error, reason.trim()));
            }
        }
    }

    /// Gives up the zygotes and all that came from them.
    fn lose(&mut self) {
        drop(self.ahead.abandon(&self.shared.queue));
        [&mut self.plain, &mut self.wide].into_iter().filter_map(Option::take).for_each(Team::end);
    }

    /// Replaces zygotes that have made many processes.
    fn retire(&mut self) {
        if self.ahead.is_primed() {
            return;
        }
        for team in [&mut self.plain, &mut self.wide] {
            if let Some(old) = team.take_if(|team| team.served >= RETIREMENT) {
                old.end();
            }
        }
    }

    /// The team of one kind, started if there is none.
    fn ensure(&mut self, wide: bool) -> Result<&mut Team> {
        let mut left = START_ATTEMPTS;
        while if wide { self.wide.is_none() } else { self.plain.is_none() } {
            left -= 1;
            match self.team(wide) {
                Ok(team) if wide => self.wide = Some(team),
                Ok(team) => self.plain = Some(team),
                Err(error) if left == 0 => {
                    return Err(Error::Start(format!("no worker can be started: {error}")));
                }
                Err(_) => {}
            }
        }
        if wide { &mut self.wide } else { &mut self.plain }.as_mut().ok_or(Error::Closed)
    }

    /// The team whose clerk looks at tests. Without a private root, the user that root turns into may not reach
    /// root's own interpreter, and only a wide zygote has loaded what that clerk needs.
    fn reader(&mut self) -> Result<&mut Team> {
        self.ensure(self.confinement.level != Level::Full)
    }

    /// Sees one job to its end; none if it was cancelled or is to be run again.
    fn attempt(&mut self, ticket: &Ticket, primed: Option<Candidate>) -> Result<Option<Execution>> {
        let (job, level) = (&ticket.job, self.confinement.level);
        if let Some(candidate) = primed {
            match job.tests.form.get() {
                Some(Form::Table(table)) if !ticket.is_cancelled() => {
                    let facts = self.run_table(ticket, candidate, table, false)?;
                    return self.concluded(ticket, facts, false);
                }
                _ => candidate.dismiss(&mut self.ensure(false)?.zygote)?,
            }
        }
        if ticket.is_cancelled() {
            return Ok(None);
        }
        if let Work::Command(command) = &job.tests.tests.work {
            return self.by_command(ticket, command);
        }
        let plain = self.ensure(false)?;
        let program = plain.program(job);
        let wide = match &program {
            Program::Invalid(name, text) => return Ok(Some(not_a_program(job, level, name, text))),
            Program::Code(_, wide) => *wide,
            Program::Source(_) => true,
        };
        if let Work::Cases(cases) = &job.tests.tests.work {
            return self.by_cases(ticket, &program, cases, wide);
        }
        let facts = match self.reader()?.form(job)? {
            Form::Table(table) => self.by_table(ticket, &program, table, wide)?,
            Form::Code => self.by_judge(ticket, program, wide)?,
        };
        self.concluded(ticket, facts, wide)
    }

    /// What follows from the facts; source and tests may have to be run once more, in one process.
    fn concluded(&mut self, ticket: &Ticket, facts: Facts, wide: bool) -> Result<Option<Execution>> {
        let conclusion = match self.settled(ticket, facts) {
            Some(Conclusion::NeedsShared(_)) if self.shared.allow_shared => {
                // Nobody could watch a job that follows by itself.
                self.give_back()?;
                let facts = self.by_one_process(ticket, wide)?;
                self.settled(ticket, facts)
            }
            other => other,
        };
        let (job, level) = (&ticket.job, self.confinement.level);
        Ok(conclusion.map(|conclusion| match conclusion {
            Conclusion::Done(execution) => *execution,
            Conclusion::NeedsShared(reason) => Execution::blank(job, level, Outcome::Refused, &reason),
        }))
    }

    /// Puts the jobs after this one back into the queue.
    fn give_back(&mut self) -> Result<()> {
        match &mut self.plain {
            Some(plain) => self.ahead.give_back(&self.shared.queue, &mut plain.zygote),
            None => Ok(()),
        }
    }

    /// What follows from the facts; nothing if the job was cancelled, or starved and is to be run alone.
    fn settled(&self, ticket: &Ticket, facts: Facts) -> Option<Conclusion> {
        (!self.is_void(ticket, &facts)).then(|| conclude(&ticket.job, facts))
    }

    /// Whether nothing follows from the facts.
    fn is_void(&self, ticket: &Ticket, facts: &Facts) -> bool {
        if facts.killed == Some(Killed::Cancelled) {
            return true;
        }
        let slow = facts.killed == Some(Killed::Wall) && facts.starved;
        if slow && !ticket.alone && facts.candidate.cpu < ticket.job.limits.cpu.mul_f64(0.9) {
            self.shared.queue.give_back(ticket.alone());
            return true;
        }
        false
    }

    /// Takes the next job off the queue and has its source compiled.
    fn look_ahead(&mut self) {
        if self.ahead.next().is_none()
            && let Some(next) = self.shared.queue.try_take_ahead(self.preferred().as_ref())
        {
            if let (Some(plain), false) = (&mut self.plain, next.job.tests.tests.work.is_command()) {
                plain.begin(&next.job);
            }
            self.ahead.set_next(next);
        }
    }

    /// Has the next job begin as soon as the process of this number is gone, if all that it needs is there.
    fn prime(&mut self, after: i64) -> Result<()> {
        let (Some(next), Some(plain)) = (self.ahead.next(), &mut self.plain) else {
            return Ok(());
        };
        let job = &next.job;
        // A zygote that is due, and a job that is to run alone, wait for the end of what follows by itself.
        let late = plain.served >= RETIREMENT || self.shared.waiting.load(Ordering::Relaxed) > 0;
        let (false, Some(Form::Table(table))) = (late, job.tests.form.get()) else {
            return Ok(());
        };
        let processes = job.limits.processes + plain.company();
        let program = match plain.program_soon(job) {
            Some(program @ Program::Code(code, false)) if code.len() <= MOST_EARLY => program,
            _ => return Ok(()),
        };
        let task = task(processes, program, &job.tests.tests, table);
        if task.len() > MOST_EARLY {
            return Ok(());
        }
        let mut candidate = plain.candidate(&job.limits)?;
        if candidate.begin_after(&mut plain.zygote, after, &task)? {
            self.ahead.prime(candidate);
            return Ok(());
        }
        candidate.dismiss(&mut plain.zygote)
    }

    fn by_table(&mut self, ticket: &Ticket, program: &Program, table: &Table, wide: bool) -> Result<Facts> {
        let (job, team) = (&ticket.job, self.ensure(wide)?);
        let mut candidate = team.candidate(&job.limits)?;
        candidate.begin(&task(job.limits.processes + team.company(), program, &job.tests.tests, table));
        self.run_table(ticket, candidate, table, wide)
    }

    /// Sees a candidate through its table that is at work on it already. What comes next is made ready meanwhile.
    fn run_table(
        &mut self,
        ticket: &Ticket,
        candidate: Candidate,
        table: &Table,
        wide: bool,
    ) -> Result<Facts> {
        let process = self.ensure(wide)?.zygote.started(candidate.asked)?;
        self.look_ahead();
        if !wide && !ticket.alone {
            self.prime(process.number)?;
            self.look_ahead();
        }
        if !self.ahead.is_primed() {
            self.ensure(wide)?.keep_spare(SPARE, false)?;
        }
        self.watch(ticket, wide)?.by_table(candidate, &process, table)
    }

    fn by_judge(&mut self, ticket: &Ticket, program: Program, wide: bool) -> Result<Facts> {
        let (tests, limits) = (&ticket.job.tests, ticket.job.limits);
        let code = self.reader()?.code(&ticket.job)?;
        let wide = wide || code.wide;
        let team = self.ensure(wide)?;
        let mut judge = team.judge(tests, code, &limits)?;
        let candidate = team.candidate(&limits)?;
        team.keep_spare(SPARE, false)?;
        self.look_ahead();
        let facts = self.watch(ticket, wide)?.by_judge(candidate, &mut judge, program)?;
        self.ensure(wide)?.keep(judge, code, &facts);
        Ok(facts)
    }

    fn by_one_process(&mut self, ticket: &Ticket, wide: bool) -> Result<Facts> {
        let code = self.reader()?.code(&ticket.job)?;
        let wide = wide || code.wide;
        let candidate =
            Candidate::ask(&mut self.ensure(wide)?.zygote, Role::Shared, &ticket.job.limits, false)?;
        self.watch(ticket, wide)?.by_one_process(candidate, &code.bytes)
    }

    /// Runs a whole program once for each case. The process for the next case is made while one runs.
    fn by_cases(
        &mut self,
        ticket: &Ticket,
        program: &Program,
        cases: &[Case],
        wide: bool,
    ) -> Result<Option<Execution>> {
        let limits = ticket.job.limits;
        let mut record = Record::new(&ticket.job);
        let mut waiting: Option<Candidate> = None;
        let mut void = false;
        self.ensure(wide)?;
        self.look_ahead();
        for (index, case) in cases.iter().enumerate() {
            let team = self.ensure(wide)?;
            let mut ask =
                |case: &Case| Candidate::with_input(&mut team.zygote, Role::Program, &limits, &case.stdin);
            let candidate = waiting.take().map_or_else(|| ask(case), Ok)?;
            waiting = cases.get(index + 1).map(ask).transpose()?;
            let run = self.watch(ticket, wide)?.by_case(candidate, program.clone())?;
            void = self.is_void(ticket, &run.facts);
            if void || !record.add(index, case, run) {
                break;
            }
        }
        if let Some(candidate) = waiting {
            candidate.dismiss(&mut self.ensure(wide)?.zygote)?;
        }
        let blank = Execution::blank(&ticket.job, self.confinement.level, Outcome::Error, "");
        Ok((!void).then(|| record.execution(blank)))
    }

    fn by_command(&mut self, ticket: &Ticket, command: &Command) -> Result<Option<Execution>> {
        let (job, level) = (&ticket.job, self.confinement.level);
        if let Some(reason) = command.obstacle(level) {
            return Ok(Some(Execution::blank(job, level, Outcome::Refused, reason)));
        }
        let zygote = &mut self.ensure(false)?.zygote;
        let candidate = Candidate::with_input(zygote, Role::Command, &job.limits, &command.stdin)?;
        self.look_ahead();
        let (facts, told) = self.watch(ticket, false)?.by_command(candidate, command)?;
        if self.is_void(ticket, &facts) {
            return Ok(None);
        }
        let blank = Execution::blank(job, level, Outcome::Error, "");
        Ok(Some(commands::conclude(job, command, facts, told, blank)))
    }

    fn watch<'a>(&'a mut self, ticket: &'a Ticket, wide: bool) -> Result<Watch<'a>> {
        let team = if wide { &mut self.wide } else { &mut self.plain }.as_mut().ok_or(Error::Closed)?;
        team.served += 1;
        Ok(Watch {
            company: team.company(),
            zygote: &mut team.zygote,
            bell: &self.bell,
            queue: &self.shared.queue,
            ticket,
            ahead: &mut self.ahead,
            level: self.confinement.level,
            since: self.since,
        })
    }
}
