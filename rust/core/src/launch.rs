//! A zygote as the supervisor sees it: started, asked for processes, heard, ended.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::config::{Confinement, Errand, Follow, Request};
use crate::error::{Error, Result, Step};
use crate::sys;
use crate::value::Value;

/// The most bytes of a zygote's report.
const REPORT: usize = 4 << 10;
/// How long a zygote may take to get ready.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long a zygote may take to answer anything else.
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);

/// How to start the interpreter that becomes a zygote.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program, as an absolute path.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its whole environment.
    pub environment: Vec<(OsString, OsString)>,
}

/// A process that the zygote has made for us.
#[derive(Debug)]
pub struct Process {
    /// Its number inside the zygote's namespace.
    pub number: i64,
    pidfd: OwnedFd,
}

impl Process {
    /// Ends it, and all below it.
    pub fn kill(&self) {
        drop(sys::signal_pidfd(self.pidfd.as_fd(), libc::SIGKILL));
    }

    /// Its process id as this process sees it; none once it is gone.
    pub fn id(&self) -> Option<i32> {
        let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", self.pidfd.as_raw_fd())).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pid:"))?;
        line.trim().parse().ok().filter(|pid| *pid > 0)
    }
}

/// How one process ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct End {
    /// Its number inside the zygote's namespace.
    pub number: i64,
    /// The raw wait status.
    pub status: i32,
    /// CPU time.
    pub cpu: Duration,
    /// Peak memory in bytes.
    pub memory: u64,
}

enum Said {
    Ready,
    Started(Process),
    Ended(End),
    /// One request cannot be met.
    Refused(String),
    /// It is the zygote's end.
    Failed(String),
    Other,
}

/// A zygote's process and our ends of its channels.
#[derive(Debug)]
pub struct Zygote {
    control: OwnedFd,
    process: Child,
    first: Option<OwnedFd>,
    complaints: File,
    asked: u64,
    answered: u64,
    /// What became of requests that nobody has asked after yet.
    started: HashMap<u64, Result<Process>>,
    /// Ends that nobody has asked after yet.
    ended: HashMap<i64, End>,
}

impl Zygote {
    /// Starts a zygote and waits until it is ready. Must be called on the thread that keeps it: the zygote
    /// dies with that thread.
    pub fn start(launch: &Launch, confinement: &Confinement) -> Result<Self> {
        let (control, theirs) = sys::message_pair().step("make a channel")?;
        let complaints = File::from(sys::memory_file(c"complaints").step("make a memory file")?);
        let stderr = complaints.try_clone().step("make a memory file")?;
        let process = Command::new(&launch.program)
            .args(&launch.arguments)
            .env_clear()
            .envs(launch.environment.iter().cloned())
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::from(stderr))
            .process_group(0)
            .spawn()
            .step("start the interpreter")?;
        let mut zygote = Self {
            control,
            process,
            first: None,
            complaints,
            asked: 0,
            answered: 0,
            started: HashMap::new(),
            ended: HashMap::new(),
        };
        let message = confinement.to_value().encode();
        let ready = sys::send_message(zygote.control.as_fd(), &message, &[])
            .step("talk to the interpreter")
            .and_then(|()| zygote.await_ready());
        match ready {
            Ok(()) => Ok(zygote),
            Err(error) => {
                let complaint = zygote.complaint();
                zygote.end();
                Err(if complaint.is_empty() { error } else { Error::Start(format!("{error} ({complaint})")) })
            }
        }
    }

    fn await_ready(&mut self) -> Result<()> {
        let patience = Instant::now() + START_PATIENCE;
        loop {
            match self.hear(patience)? {
                Said::Ready => return Ok(()),
                Said::Failed(reason) => return Err(Error::Start(reason)),
                _ => {}
            }
        }
    }

    /// Asks for a process; returns the number under which [`Zygote::started`] gives it.
    pub fn ask(&mut self, request: &Request, fds: &[BorrowedFd<'_>]) -> Result<u64> {
        self.tell(Errand::Make(*request), fds)?;
        self.asked += 1;
        Ok(self.asked)
    }

    /// Has one more byte sent over `stream` as soon as a process is gone and swept away.
    pub fn follow(&mut self, follow: Follow, stream: BorrowedFd<'_>) -> Result<()> {
        self.tell(Errand::Follow(follow), &[stream])
    }

    fn tell(&self, errand: Errand, fds: &[BorrowedFd<'_>]) -> Result<()> {
        sys::send_message(self.control.as_fd(), &errand.to_value().encode(), fds).step("ask the zygote")
    }

    /// The process that was asked for under this number; waits until it exists.
    pub fn started(&mut self, asked: u64) -> Result<Process> {
        let patience = Instant::now() + ANSWER_PATIENCE;
        loop {
            if let Some(process) = self.started.remove(&asked) {
                return process;
            }
            self.note(patience)?;
        }
    }

    /// The end of a process, if it is known.
    pub fn ended(&mut self, number: i64) -> Option<End> {
        self.ended.remove(&number)
    }

    /// Waits for the end of a process that was killed or is about to end.
    pub fn await_end(&mut self, number: i64) -> Result<End> {
        let patience = Instant::now() + ANSWER_PATIENCE;
        loop {
            if let Some(end) = self.ended(number) {
                return Ok(end);
            }
            self.note(patience)?;
        }
    }

    /// Takes in one message, which must be there or come soon.
    pub fn listen(&mut self) -> Result<()> {
        self.note(Instant::now() + ANSWER_PATIENCE)
    }

    /// The descriptor that stirs when there is something to take in.
    pub fn descriptor(&self) -> RawFd {
        self.control.as_raw_fd()
    }

    fn note(&mut self, patience: Instant) -> Result<()> {
        match self.hear(patience)? {
            Said::Started(process) => {
                // Numbers come back: an end that nobody asked after was that of an earlier process.
                self.ended.remove(&process.number);
                self.answer(Ok(process));
            }
            Said::Refused(reason) => self.answer(Err(Error::Start(reason))),
            Said::Ended(end) => drop(self.ended.insert(end.number, end)),
            Said::Failed(reason) => return Err(Error::Start(reason)),
            Said::Ready | Said::Other => {}
        }
        Ok(())
    }

    fn answer(&mut self, process: Result<Process>) {
        self.answered += 1;
        self.started.insert(self.answered, process);
    }

    fn hear(&mut self, patience: Instant) -> Result<Said> {
        let mut entries = [libc::pollfd { fd: self.control.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        while entries[0].revents == 0 {
            let left = patience.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Start("the zygote does not answer".to_owned()));
            }
            sys::poll(&mut entries, Some(left)).step("wait for the zygote")?;
        }
        let mut buffer = [0; REPORT];
        let (bytes, mut fds) =
            sys::receive_message(self.control.as_fd(), &mut buffer).step("hear the zygote")?;
        if bytes.is_empty() {
            return Err(Error::Closed);
        }
        let value = Value::decode(bytes)?;
        let Some([kind, rest @ ..]) = value.items() else {
            return Err(Error::Malformed("not a report of a zygote"));
        };
        Ok(match (kind.lossy().as_str(), rest, fds.pop()) {
            ("ready", [], None) => Said::Ready,
            ("zygote", [], first) => {
                self.first = first;
                Said::Other
            }
            ("started", [Value::Int(number)], Some(pidfd)) => {
                Said::Started(Process { number: *number, pidfd })
            }
            (
                "ended",
                [Value::Int(number), Value::Int(status), Value::Int(cpu), Value::Int(memory)],
                None,
            ) => Said::Ended(End {
                number: *number,
                status: i32::try_from(*status).map_err(|_| Error::Malformed("a wait status"))?,
                cpu: Duration::from_micros(cpu.cast_unsigned()),
                memory: memory.cast_unsigned(),
            }),
            ("refused", [reason], None) => Said::Refused(reason.lossy()),
            ("failed", [reason], None) => Said::Failed(reason.lossy()),
            _ => return Err(Error::Malformed("not a report of a zygote")),
        })
    }

    /// What the interpreter wrote before it failed.
    pub fn complaint(&mut self) -> String {
        let mut text = String::new();
        drop(self.complaints.seek(SeekFrom::Start(0)));
        drop((&self.complaints).take(4096).read_to_string(&mut text));
        text.trim().lines().last().unwrap_or_default().to_owned()
    }

    /// Ends the zygote and all below it, and waits for that.
    pub fn end(mut self) {
        if let Some(first) = &self.first {
            // The launcher reaps the zygote, and with it the whole namespace, then leaves by itself.
            drop(sys::signal_pidfd(first.as_fd(), libc::SIGKILL));
            let patience = Instant::now() + Duration::from_secs(5);
            while Instant::now() < patience {
                if matches!(self.process.try_wait(), Ok(Some(_))) {
                    return;
                }
                std::thread::sleep(Duration::from_micros(300));
            }
        } else {
            self.started.values().flatten().for_each(Process::kill);
        }
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
