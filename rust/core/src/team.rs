//! A zygote and the processes that stand ready beside it: clerks, a judge, candidates made ahead.

use std::sync::Arc;
use std::time::Duration;

use crate::clerk::{Clerk, Program};
use crate::config::{Confinement, Job, Limits, Role};
use crate::error::{Error, Result};
use crate::launch::{Launch, Zygote};
use crate::posts::{Candidate, Judge};
use crate::queue::{Code, Form, Prepared};
use crate::verdict::Facts;
use crate::work::{Work, table};

/// How long to wait for a source that is being compiled while a job runs.
const SOON: Duration = Duration::from_millis(1);
/// Spare candidates while there is work.
pub const SPARE: usize = 1;
/// The form of tests of which nothing else is known.
static CODE: Form = Form::Code;

/// One zygote and all that came from it.
pub struct Team {
    pub zygote: Zygote,
    /// How many candidates it has run.
    pub served: u64,
    /// For the candidates that are made before their job is known.
    limits: Limits,
    /// Made ahead of their jobs.
    spare: Vec<Candidate>,
    judge: Option<Judge>,
    compiler: Clerk,
    examiner: Clerk,
    /// What the compiler was given last, and its answer if that has been looked at.
    compiling: Option<(Arc<Job>, Option<Program>)>,
}

impl Team {
    /// Starts the zygote. Must be called on the thread that keeps the team.
    pub fn start(launch: &Launch, confinement: &Confinement, limits: Limits) -> Result<Self> {
        Ok(Self {
            zygote: Zygote::start(launch, confinement)?,
            served: 0,
            limits,
            spare: Vec::new(),
            judge: None,
            compiler: Clerk::default(),
            examiner: Clerk::default(),
            compiling: None,
        })
    }

    /// Ends all of it, and waits for that.
    pub fn end(self) {
        self.zygote.end();
    }

    /// Keeps so many candidates ready for their jobs; `idle` if there is time for them to get ready.
    pub fn keep_spare(&mut self, count: usize, idle: bool) -> Result<()> {
        while self.spare.len() < count {
            self.spare.push(Candidate::ask(&mut self.zygote, Role::Candidate, &self.limits, idle)?);
        }
        Ok(())
    }

    /// A candidate for these limits.
    pub fn candidate(&mut self, limits: &Limits) -> Result<Candidate> {
        match self.spare.iter().position(|candidate| candidate.suits(limits)) {
            Some(place) => Ok(self.spare.remove(place)),
            None => Candidate::ask(&mut self.zygote, Role::Candidate, limits, false),
        }
    }

    /// The tests that the judge holds.
    pub fn held(&self) -> Option<Arc<Prepared>> {
        self.judge.as_ref().map(|judge| Arc::clone(judge.tests()))
    }

    /// A judge for these tests and limits.
    pub fn judge(&mut self, tests: &Arc<Prepared>, code: &Code, limits: &Limits) -> Result<Judge> {
        match self.judge.take() {
            Some(judge) if judge.suits(tests, limits) => Ok(judge),
            _ => Judge::start(&mut self.zygote, tests, &code.bytes, limits),
        }
    }

    /// Takes a judge back, if it can go on after a job that ended like this.
    pub fn keep(&mut self, judge: Judge, code: &Code, facts: &Facts) {
        if code.reusable && judge.is_fit(facts) {
            self.judge = Some(judge);
        }
    }

    /// Processes beside those of a candidate: launcher, zygote, clerks, a judge, spare candidates, and one
    /// more: the next job's candidate, the next process of a program that is run several times, or a command's steward.
    pub fn company(&self) -> u64 {
        2 + 2 + 1 + self.spare.len() as u64 + 1
    }

    /// Begins to compile a job's source.
    pub fn begin(&mut self, job: &Arc<Job>) {
        self.compiler.begin(&mut self.zygote, &job.source);
        self.compiling = Some((Arc::clone(job), None));
    }

    /// A job's source, compiled if that can be.
    pub fn program(&mut self, job: &Arc<Job>) -> Program {
        match self.compiling.take() {
            Some((begun, Some(program))) if Arc::ptr_eq(&begun, job) => return program,
            Some((begun, None)) if Arc::ptr_eq(&begun, job) => {}
            _ => self.compiler.begin(&mut self.zygote, &job.source),
        }
        self.compiler.program(&job.source)
    }

    /// The same, if it is there or comes very soon.
    pub fn program_soon(&mut self, job: &Arc<Job>) -> Option<&Program> {
        let (_, program) = self.compiling.as_mut().filter(|(begun, _)| Arc::ptr_eq(begun, job))?;
        if program.is_none() && self.compiler.is_ready(SOON) {
            *program = Some(self.compiler.program(&job.source));
        }
        program.as_ref()
    }

    /// The form of a job's tests, found out the first time.
    pub fn form<'a>(&mut self, job: &'a Job) -> Result<&'a Form> {
        if let Some(form) = job.tests.form.get() {
            return Ok(form);
        }
        let form = match &job.tests.tests.work {
            Work::Calls(calls) => Form::Table(table(calls)?),
            _ => match self.examiner.form(&mut self.zygote, &job.tests.tests) {
                Ok(table) => table.map_or(Form::Code, Form::Table),
                // That clerk may have failed for any reason: the next one may look again.
                Err(_) => return Ok(&CODE),
            },
        };
        Ok(job.tests.form.get_or_init(|| form))
    }

    /// A job's tests as code, compiled the first time.
    pub fn code<'a>(&mut self, job: &'a Job) -> Result<&'a Code> {
        if job.tests.code.get().is_none() {
            let code = self.examiner.code(&mut self.zygote, &job.tests.tests)?;
            job.tests.code.get_or_init(|| code);
        }
        let code = job.tests.code.get().and_then(Option::as_ref);
        code.ok_or(Error::Malformed("the tests cannot be read"))
    }
}
