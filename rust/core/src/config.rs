//! What a zygote is told, at its start and later, and what a job asks for.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::queue::Prepared;
use crate::value::Value;
use crate::work::Work;

/// How much isolation there is, from most to least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Only resource limits: no protection against malice.
    RlimitsOnly,
    /// System-call filters and Landlock, no namespaces, no processes.
    NoNamespaces,
    /// Everything.
    Full,
}

impl Level {
    /// Every level, the strongest first.
    pub const ALL: [Self; 3] = [Self::Full, Self::NoNamespaces, Self::RlimitsOnly];

    /// The name that verdicts carry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::NoNamespaces => "no-namespaces",
            Self::RlimitsOnly => "rlimits-only",
        }
    }

    /// The level of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// What a zygote needs to know to shut itself in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confinement {
    /// How far to go.
    pub level: Level,
    /// Files and directories that candidates may read: the interpreter's library.
    pub readable: Vec<PathBuf>,
    /// Directories inside those that stay empty.
    pub covered: Vec<PathBuf>,
    /// Size of the private writable directory, in bytes.
    pub scratch: u64,
    /// The unprivileged user to become when started by root.
    pub user: u32,
    /// Whether to load ahead what only few programs need.
    pub wide: bool,
    /// Modules beyond the library that a wide zygote offers.
    pub modules: Vec<String>,
    /// Where those are installed: files and directories.
    pub packages: Vec<PathBuf>,
}

fn paths(paths: &[PathBuf]) -> Value {
    let bytes = |path: &PathBuf| Value::Bytes(path.as_os_str().as_bytes().to_vec());
    Value::List(paths.iter().map(bytes).collect())
}

fn to_paths(value: &Value) -> Result<Vec<PathBuf>> {
    let Value::List(items) = value else {
        return Err(Error::Malformed("not a list of paths"));
    };
    items
        .iter()
        .map(|item| match item {
            Value::Bytes(bytes) => Ok(PathBuf::from(OsString::from_vec(bytes.clone()))),
            _ => Err(Error::Malformed("not a path")),
        })
        .collect()
}

impl Confinement {
    /// For the wire.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::Tuple(vec![
            Value::text(self.level.name()),
            paths(&self.readable),
            paths(&self.covered),
            Value::Int(self.scratch.cast_signed()),
            Value::Int(i64::from(self.user)),
            Value::Bool(self.wide),
            Value::List(self.modules.iter().map(|name| Value::text(name)).collect()),
            paths(&self.packages),
        ])
    }

    /// From the wire.
    ///
    /// # Errors
    /// The value is something else.
    pub fn from_value(value: &Value) -> Result<Self> {
        let malformed = Error::Malformed("not a confinement");
        let Some([level, readable, covered, Value::Int(scratch), Value::Int(user), wide, modules, packages]) =
            value.items()
        else {
            return Err(malformed);
        };
        let Some(level) = Level::named(&level.lossy()) else {
            return Err(malformed);
        };
        Ok(Self {
            level,
            readable: to_paths(readable)?,
            covered: to_paths(covered)?,
            scratch: scratch.cast_unsigned(),
            user: u32::try_from(*user).map_err(|_| malformed)?,
            wide: *wide == Value::Bool(true),
            modules: modules.items().unwrap_or_default().iter().map(Value::lossy).collect(),
            packages: to_paths(packages)?,
        })
    }
}

/// What each process of a job may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Time on the wall, from start to end.
    pub wall: Duration,
    /// CPU time of one process.
    pub cpu: Duration,
    /// Address space of one process beyond the zygote's own, in bytes.
    pub memory: u64,
    /// Bytes printed, standard output and standard error each.
    pub output: usize,
    /// Processes and threads at once.
    pub processes: u64,
    /// The largest file, in bytes.
    pub files: u64,
}

/// What a program is held against. Equal for all attempts at one problem, and shared by them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tests {
    /// Statements, each one test, as UTF-8.
    pub tests: Vec<Vec<u8>>,
    /// The function that the tests call.
    pub entry_point: Vec<u8>,
    /// What to execute before the tests, beside them.
    pub setup: Vec<u8>,
    /// Expressions to evaluate after the tests.
    pub probes: Vec<Vec<u8>>,
    /// What is to be done in place of tests, if anything.
    pub work: Work,
}

impl Tests {
    /// How many tests there are, of whatever form.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tests.len() + self.work.tests()
    }

    /// How many bytes are carried with a source, about.
    #[must_use]
    pub fn size(&self) -> usize {
        let texts = self.tests.iter().chain(&self.probes).map(|text| text.len() + 8).sum::<usize>();
        self.setup.len() + self.entry_point.len() + texts
    }
}

/// One program with its tests.
#[derive(Clone, Debug)]
pub struct Job {
    /// The candidate, as UTF-8.
    pub source: Vec<u8>,
    /// What it is held against.
    pub tests: Arc<Prepared>,
    /// What it may use.
    pub limits: Limits,
}

/// What a process of the zygote's is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Executes a source and answers calls of its functions.
    Candidate,
    /// Executes tests against candidates behind channels.
    Judge,
    /// Executes both, where they cannot be kept apart.
    Shared,
    /// Compiles, and looks at tests. Executes neither.
    Clerk,
    /// Executes a source as a whole program.
    Program,
    /// Starts an executable, and sees to its files.
    Command,
}

impl Role {
    const ALL: [Self; 6] =
        [Self::Candidate, Self::Judge, Self::Shared, Self::Clerk, Self::Program, Self::Command];

    /// Whether a candidate's code runs in it, or below it.
    #[must_use]
    pub fn is_hostile(self) -> bool {
        matches!(self, Self::Candidate | Self::Shared | Self::Program | Self::Command)
    }

    fn number(self) -> i64 {
        Self::ALL.iter().position(|role| *role == self).and_then(|at| i64::try_from(at).ok()).unwrap_or(-1)
    }
}

/// What a zygote is asked to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What for.
    pub role: Role,
    /// CPU seconds after which the kernel itself ends the process.
    pub cpu: u64,
    /// Bytes of address space beyond the zygote's own.
    pub memory: u64,
    /// Processes and threads of the worker in all.
    pub processes: u64,
    /// Bytes of the largest file.
    pub files: u64,
    /// Whether it should use idle time to warm itself.
    pub ahead: bool,
}

impl Request {
    /// For the wire.
    #[must_use]
    pub fn to_value(self) -> Value {
        let numbers = [self.cpu, self.memory, self.processes, self.files].map(u64::cast_signed);
        let mut items = vec![Value::Int(self.role.number()), Value::Bool(self.ahead)];
        items.extend(numbers.map(Value::Int));
        Value::Tuple(items)
    }

    /// From the wire.
    ///
    /// # Errors
    /// The value is something else.
    pub fn from_value(value: &Value) -> Result<Self> {
        match value.items() {
            Some(
                [
                    Value::Int(role),
                    Value::Bool(ahead),
                    Value::Int(cpu),
                    Value::Int(memory),
                    Value::Int(processes),
                    Value::Int(files),
                ],
            ) => Ok(Self {
                role: Role::ALL
                    .into_iter()
                    .find(|known| known.number() == *role)
                    .ok_or(Error::Malformed("not a role"))?,
                cpu: cpu.cast_unsigned(),
                memory: memory.cast_unsigned(),
                processes: processes.cast_unsigned(),
                files: files.cast_unsigned(),
                ahead: *ahead,
            }),
            _ => Err(Error::Malformed("not a request")),
        }
    }
}

/// What a zygote is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Make a process, which gets the descriptors that come along.
    Make(Request),
    /// Let somebody follow a process.
    Follow(Follow),
}

/// Send a byte over the stream that comes along, as soon as a process is gone and swept away; at once if it is
/// already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follow {
    /// The number of that process.
    pub after: i64,
    /// Which process waits for the byte, by the count of requests.
    pub asked: u64,
    /// What is sent.
    pub byte: u8,
}

impl Errand {
    /// For the wire.
    #[must_use]
    pub fn to_value(self) -> Value {
        match self {
            Self::Make(request) => request.to_value(),
            Self::Follow(Follow { after, asked, byte }) => Value::Tuple(vec![
                Value::Int(after),
                Value::Int(asked.cast_signed()),
                Value::Int(byte.into()),
            ]),
        }
    }

    /// From the wire.
    ///
    /// # Errors
    /// The value is something else.
    pub fn from_value(value: &Value) -> Result<Self> {
        match value.items() {
            Some([Value::Int(after), Value::Int(asked), Value::Int(byte)]) => {
                let byte = u8::try_from(*byte).map_err(|_| Error::Malformed("not a byte"))?;
                Ok(Self::Follow(Follow { after: *after, asked: asked.cast_unsigned(), byte }))
            }
            _ => Request::from_value(value).map(Self::Make),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Confinement, Errand, Follow, Level, Request, Role};
    use std::path::PathBuf;

    #[test]
    fn confinements_and_errands_survive_the_wire() {
        let confinement = Confinement {
            level: Level::Full,
            readable: vec![PathBuf::from("/usr/lib")],
            covered: vec![],
            scratch: 1 << 20,
            user: 4_000_000_000,
            wide: true,
            modules: vec!["numpy".to_owned()],
            packages: vec![PathBuf::from("/packages/numpy")],
        };
        assert_eq!(Confinement::from_value(&confinement.to_value()).ok(), Some(confinement));
        for role in Role::ALL {
            let request = Request { role, cpu: 3, memory: 1 << 40, processes: 4, files: 5, ahead: true };
            let errand = Errand::Make(request);
            assert_eq!(Errand::from_value(&errand.to_value()).ok(), Some(errand));
        }
        let errand = Errand::Follow(Follow { after: 1 << 40, asked: 7, byte: 255 });
        assert_eq!(Errand::from_value(&errand.to_value()).ok(), Some(errand));
    }
}
