//! The steward of a command: a copy of the zygote that puts files into the private directory, starts the
//! executable in a process below itself, sees it and all that it started to their end, and hands the files
//! that were asked for to the supervisor. It runs no candidate's code, and nobody else holds its channel.

use std::ffi::{CString, OsStr};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use crate::child::{Side, SingleThread, clone_process};
use crate::error::{Error, Result, Step};
use crate::root::SCRATCH;
use crate::sys;
use crate::value::Value;
use crate::wire::Channel;

/// Files travel in pieces of this many bytes.
pub const PIECE: usize = 1 << 20;
/// How many directories deep a file may lie.
const DEEPEST: usize = 32;
/// Files can be executed: an executable may be told to.
const MODE: u32 = 0o700;

/// What an executable is started with.
struct Errand {
    argv: Vec<CString>,
    environment: Vec<CString>,
    outputs: Vec<PathBuf>,
    /// Bytes of address space.
    memory: u64,
    /// CPU seconds of each process.
    cpu: u64,
    /// Processes of the worker in all.
    processes: u64,
    /// Bytes of all outputs together.
    files: u64,
}

/// Serves the supervisor once; returns the exit code. `contained` if nothing but the command runs in this PID
/// namespace, `counted` if the number of processes may be limited.
pub fn serve(proof: &SingleThread, mut channel: Channel, contained: bool, counted: bool) -> i32 {
    let told = |kind: &str, reason: &str| Value::Tuple(vec![Value::text(kind), Value::text(reason)]);
    let answer = match see_to(proof, &mut channel, contained, counted) {
        Ok(answer) => answer,
        Err(Error::Closed) => return 1,
        Err(Error::Start(reason)) => told("failed", &reason),
        Err(error) => told("broken", &error.to_string()),
    };
    i32::from(channel.send(&answer).is_err())
}

fn see_to(proof: &SingleThread, channel: &mut Channel, contained: bool, counted: bool) -> Result<Value> {
    let errand = loop {
        let (message, _) = channel.receive()?;
        match message.items() {
            Some([kind, Value::Bytes(name), Value::Bytes(piece)]) if *kind == Value::text("file") => {
                put(&relative(name)?, piece).map_err(|error| {
                    Error::Start(format!("put {}: {error}", String::from_utf8_lossy(name)))
                })?;
            }
            _ => break Errand::from_value(&message)?,
        }
    };
    let status = errand.run(proof, contained, counted)?;
    let mut left = errand.files;
    for (place, path) in errand.outputs.iter().enumerate() {
        if let Some(file) = open(path)
            && !hand_over(channel, place, file, &mut left)?
        {
            return Ok(Value::Tuple(vec![Value::text("large")]));
        }
    }
    Ok(Value::Tuple(vec![Value::text("end"), Value::Int(status.into())]))
}

/// A path that stays below the directory it is meant for.
fn relative(name: &[u8]) -> Result<PathBuf> {
    let path = Path::new(OsStr::from_bytes(name));
    let parts: Vec<_> = path.components().collect();
    let plain = parts.iter().all(|part| matches!(part, Component::Normal(_)));
    if plain && (1..=DEEPEST).contains(&parts.len()) {
        Ok(Path::new(SCRATCH).join(path))
    } else {
        Err(Error::Malformed("not a relative path"))
    }
}

/// Appends a piece to a file. Nothing but the files of one command is there yet.
fn put(path: &Path, piece: &[u8]) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    OpenOptions::new().append(true).create(true).mode(MODE).open(path)?.write_all(piece)
}

/// A regular file, reached through no link; none if there is none that can be read.
fn open(path: &Path) -> Option<File> {
    let mut directory = sys::open_directory(Path::new(SCRATCH)).ok()?;
    for part in path.strip_prefix(SCRATCH).ok()?.components() {
        let name = CString::new(part.as_os_str().as_bytes()).ok()?;
        directory = sys::open_plain(directory.as_fd(), &name).ok()?;
    }
    let file = File::from(directory);
    file.metadata().is_ok_and(|about| about.is_file()).then_some(file)
}

/// Sends a file in pieces; false if it is larger than what is `left`.
fn hand_over(channel: &mut Channel, place: usize, file: File, left: &mut u64) -> Result<bool> {
    let place = Value::Int(i64::try_from(place).unwrap_or(-1));
    let mut file = file.take(left.saturating_add(1));
    let mut first = true;
    loop {
        let mut piece = Vec::new();
        (&mut file).take(PIECE as u64).read_to_end(&mut piece).step("read an output")?;
        match left.checked_sub(piece.len() as u64) {
            Some(rest) => *left = rest,
            None => return Ok(false),
        }
        if piece.is_empty() && !first {
            return Ok(true);
        }
        first = false;
        channel.send(&Value::Tuple(vec![Value::text("file"), place.clone(), Value::Bytes(piece)]))?;
    }
}

impl Errand {
    fn from_value(value: &Value) -> Result<Self> {
        let malformed = Error::Malformed("not a command");
        let Some(
            [
                Value::List(argv),
                Value::List(environment),
                Value::List(outputs),
                Value::Int(memory),
                Value::Int(cpu),
                Value::Int(processes),
                Value::Int(files),
            ],
        ) = value.items()
        else {
            return Err(malformed);
        };
        let bytes = |value: &Value| match value {
            Value::Bytes(bytes) => Ok(bytes.clone()),
            _ => Err(Error::Malformed("not a command")),
        };
        let words = |values: &[Value]| -> Result<Vec<CString>> {
            let word = |value| CString::new(bytes(value)?).map_err(|_| Error::Malformed("a null character"));
            values.iter().map(word).collect()
        };
        if argv.is_empty() {
            return Err(malformed);
        }
        Ok(Self {
            argv: words(argv)?,
            environment: words(environment)?,
            outputs: outputs.iter().map(|name| relative(&bytes(name)?)).collect::<Result<_>>()?,
            memory: memory.cast_unsigned(),
            cpu: cpu.cast_unsigned(),
            processes: processes.cast_unsigned(),
            files: files.cast_unsigned(),
        })
    }

    /// Runs it to its end; returns the raw wait status.
    fn run(&self, proof: &SingleThread, contained: bool, counted: bool) -> Result<i32> {
        let (trouble, tell) = sys::pipe().step("make a pipe")?;
        let pid = match clone_process(proof, false).step("clone")? {
            Side::Child => self.become_it(tell, counted),
            Side::Parent(pid, _) => pid,
        };
        drop(tell);
        let mut reason = String::new();
        File::from(trouble).read_to_string(&mut reason).step("start the executable")?;
        let status = loop {
            let end = sys::wait(-1).step("wait")?;
            if end.pid == pid {
                break end.status;
            }
        };
        if contained {
            // What it has left running may still write.
            drop(sys::signal(-1, libc::SIGKILL));
            while sys::wait(-1).is_ok() {}
        }
        if reason.is_empty() { Ok(status) } else { Err(Error::Start(reason)) }
    }

    /// In the new process: turns it into the executable.
    fn become_it(&self, tell: OwnedFd, counted: bool) -> ! {
        let error = self.prepare(counted).and_then(|()| {
            sys::execute(&self.argv, &self.environment)
                .step(&format!("execute {}", self.argv[0].to_string_lossy()))
        });
        if let Err(error) = error {
            drop(File::from(tell).write_all(error.to_string().as_bytes()));
        }
        sys::exit(127)
    }

    fn prepare(&self, counted: bool) -> Result<()> {
        // Refused where the PID namespace sees to it.
        drop(sys::die_with_parent());
        sys::default_signals();
        sys::set_limit(libc::RLIMIT_CPU, self.cpu).step("CPU limit")?;
        if counted {
            sys::set_limit(sys::PROCESSES, self.processes).step("process limit")?;
        }
        sys::set_limit(libc::RLIMIT_AS, self.memory).step("memory limit")
    }
}
