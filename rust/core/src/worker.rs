//! One worker: the process that holds a zygote, and our ends of its channels.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::active::{Active, Ticket};
use crate::config::Confinement;
use crate::error::{Error, Result, Step};
use crate::sys;
use crate::value::Value;
use crate::verdict::{End, Killed};

const CONTROL_MESSAGE: usize = 64 << 10;

/// What a zygote says.
#[derive(Debug)]
pub enum Said {
    Ready,
    Started(Vec<OwnedFd>),
    Done(Vec<End>),
    Failed(String),
    Other,
}

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

/// What a worker is doing.
#[derive(Debug)]
pub enum State {
    /// Not ready yet, since then.
    Starting(Instant),
    /// Waiting for a job.
    Idle,
    /// At a job.
    Busy(Box<Active>),
}

/// A worker's process and our ends of its channels.
#[derive(Debug)]
pub struct Worker {
    pub state: State,
    pub control: OwnedFd,
    pub served: u64,
    process: Child,
    zygote: Option<OwnedFd>,
    complaints: File,
}

impl Worker {
    /// Starts a worker. Must be called on the thread that lives as long as the supervisor: the worker dies
    /// with it.
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
        let worker = Self {
            state: State::Starting(Instant::now()),
            control,
            served: 0,
            process,
            zygote: None,
            complaints,
        };
        let message = confinement.to_value().encode();
        sys::send_message(worker.control.as_fd(), &message, &[]).step("talk to the interpreter")?;
        Ok(worker)
    }

    /// Hands a job to an idle worker.
    pub fn give(&mut self, ticket: Ticket) -> Result<()> {
        self.state = State::Busy(Box::new(Active::new(ticket, self.control.as_fd())?));
        self.served += 1;
        Ok(())
    }

    /// The next thing the zygote says; waits for it.
    pub fn hear(&mut self) -> Result<Said> {
        let (bytes, mut fds) =
            sys::receive_message(self.control.as_fd(), CONTROL_MESSAGE).step("hear the zygote")?;
        if bytes.is_empty() {
            return Err(Error::Closed);
        }
        let value = Value::decode(&bytes)?;
        let Some([kind, rest @ ..]) = value.items() else {
            return Err(Error::Malformed("not a report of a zygote"));
        };
        Ok(match kind.lossy().as_str() {
            "ready" => Said::Ready,
            "zygote" => {
                self.zygote = fds.pop();
                Said::Other
            }
            "started" => Said::Started(fds),
            "done" => Said::Done(rest.iter().filter_map(end).collect()),
            "failed" | "refused" => Said::Failed(rest.first().map(Value::lossy).unwrap_or_default()),
            _ => Said::Other,
        })
    }

    /// What the interpreter wrote before it failed.
    pub fn complaint(&mut self) -> String {
        let mut text = String::new();
        drop(self.complaints.seek(SeekFrom::Start(0)));
        drop((&self.complaints).take(4096).read_to_string(&mut text));
        text.trim().lines().last().unwrap_or_default().to_owned()
    }

    /// Ends the worker and all below it, and waits for that.
    pub fn end(mut self) {
        if let Some(zygote) = &self.zygote {
            // The launcher reaps the zygote, and with it the whole namespace, then leaves by itself.
            drop(sys::signal_pidfd(zygote.as_fd(), libc::SIGKILL));
            let patience = Instant::now() + Duration::from_secs(5);
            while Instant::now() < patience {
                if matches!(self.process.try_wait(), Ok(Some(_))) {
                    return;
                }
                std::thread::sleep(Duration::from_micros(300));
            }
        } else if let State::Busy(active) = &mut self.state {
            active.kill(Killed::Cancelled);
        }
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn end(value: &Value) -> Option<End> {
    match value.items() {
        Some([Value::Bool(cut), Value::Int(status), Value::Int(cpu), Value::Int(memory)]) => Some(End {
            cut: *cut,
            status: i32::try_from(*status).ok()?,
            cpu: Duration::from_micros(cpu.cast_unsigned()),
            memory: memory.cast_unsigned(),
        }),
        _ => None,
    }
}
