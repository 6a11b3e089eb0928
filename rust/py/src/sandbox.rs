//! The supervisor and its batches as Python classes, and the codec for those who want to look at it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use forge_core::config::{Confinement, Level, Limits, Tests};
use forge_core::outcome::Outcome;
use forge_core::report::Seen;
use forge_core::supervisor::{self, Launch, Options};
use forge_core::text::{SHOWN, bounded};
use forge_core::value::Value;
use forge_core::verdict::Execution;
use forge_core::work::{Case, Command, Tolerance, Work};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::convert::{NotPlain, to_object, to_object_until, to_value};
use crate::shown::{shown, shown_call};

/// The most characters of a probe's representation.
const PROBE_SHOWN: usize = 10_000;
/// How long it may take to put together the value of a probe.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(50);

/// The names of all outcomes.
#[pyfunction]
pub fn outcomes() -> Vec<&'static str> {
    Outcome::ALL.iter().map(|outcome| outcome.name()).collect()
}

/// The names of all isolation levels, the strongest first.
#[pyfunction]
pub fn levels() -> Vec<&'static str> {
    Level::ALL.iter().map(|level| level.name()).collect()
}

/// The bytes of a plain value.
#[pyfunction]
pub fn encode<'py>(py: Python<'py>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    match to_value(value) {
        Ok(value) => Ok(PyBytes::new(py, &value.encode())),
        Err(NotPlain::Type(name)) => Err(PyValueError::new_err(format!("a {name} is not a plain value"))),
        Err(NotPlain::TooLarge) => Err(PyValueError::new_err("too deep or too large")),
        Err(NotPlain::Failed(error)) => Err(error),
    }
}

/// The plain value of bytes.
#[pyfunction]
pub fn decode<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let value = Value::decode(data).map_err(|error| PyValueError::new_err(error.to_string()))?;
    to_object(py, &value)
}

/// Limits as Python has them: wall, cpu, memory, output, processes, files.
type RawLimits = (f64, f64, u64, usize, u64, u64);

fn to_limits(limits: RawLimits) -> PyResult<Limits> {
    let (wall, cpu, memory, output, processes, files) = limits;
    let seconds = |number: f64| {
        Duration::try_from_secs_f64(number).map_err(|error| PyValueError::new_err(error.to_string()))
    };
    Ok(Limits { wall: seconds(wall)?, cpu: seconds(cpu)?, memory, output, processes, files })
}

fn level(name: &str) -> PyResult<Level> {
    Level::named(name).ok_or_else(|| PyValueError::new_err(format!("no isolation level {name:?}")))
}

/// A running sandbox.
#[pyclass(frozen, module = "forge._core")]
pub struct Supervisor {
    inner: std::sync::Mutex<Option<supervisor::Supervisor>>,
    level: Level,
}

#[pymethods]
impl Supervisor {
    /// Starts workers. `most` and `least` bound the isolation level.
    #[new]
    #[pyo3(signature = (*, program, arguments, environment, readable, covered, scratch, user, most, least, workers, allow_shared, limits, modules, packages))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        program: OsString,
        arguments: Vec<OsString>,
        environment: Vec<(OsString, OsString)>,
        readable: Vec<PathBuf>,
        covered: Vec<PathBuf>,
        scratch: u64,
        user: u32,
        most: &str,
        least: &str,
        workers: usize,
        allow_shared: bool,
        limits: RawLimits,
        modules: Vec<String>,
        packages: Vec<PathBuf>,
    ) -> PyResult<Self> {
        let (most, least) = (level(most)?, level(least)?);
        let confinement =
            Confinement { level: most, readable, covered, scratch, user, wide: false, modules, packages };
        let options = Options {
            launch: Launch { program, arguments, environment },
            confinement,
            least,
            workers: workers.max(1),
            allow_shared,
            limits: to_limits(limits)?,
        };
        let inner = py
            .detach(|| supervisor::Supervisor::start(options))
            .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
        let level = inner.level();
        Ok(Self { inner: std::sync::Mutex::new(Some(inner)), level })
    }

    /// The isolation level that was reached.
    #[getter]
    fn level(&self) -> &'static str {
        self.level.name()
    }

    /// Opens a batch.
    fn batch(&self) -> PyResult<Batch> {
        let inner = self.inner.lock().map_err(|_| PyRuntimeError::new_err("the sandbox is broken"))?;
        match &*inner {
            Some(inner) => Ok(Batch { inner: std::sync::Mutex::new(Some(inner.batch())) }),
            None => Err(PyRuntimeError::new_err("the sandbox is closed")),
        }
    }

    /// Ends all workers and waits until they are gone.
    fn close(&self, py: Python<'_>) {
        let inner = self.inner.lock().ok().and_then(|mut inner| inner.take());
        py.detach(|| drop(inner));
    }
}

/// Jobs that are submitted and delivered together.
#[pyclass(frozen, module = "forge._core")]
pub struct Batch {
    inner: std::sync::Mutex<Option<supervisor::Batch>>,
}

fn closed() -> PyErr {
    PyRuntimeError::new_err("the batch is closed")
}

impl Batch {
    fn queue(&self, source: Vec<u8>, tests: Tests, limits: RawLimits) -> PyResult<Option<u64>> {
        let limits = to_limits(limits)?;
        if !supervisor::fits(&source, &tests) {
            return Ok(None);
        }
        let mut inner = self.inner.lock().map_err(|_| closed())?;
        Ok(Some(inner.as_mut().ok_or_else(closed)?.submit(source, tests, limits)))
    }
}

#[pymethods]
impl Batch {
    /// Queues a job; `limits` are wall, cpu, memory, output, processes, files. Returns its position, or
    /// `None` if it is too large to be carried.
    #[allow(clippy::too_many_arguments)]
    fn submit(
        &self,
        source: Vec<u8>,
        tests: Vec<Vec<u8>>,
        entry_point: Vec<u8>,
        setup: Vec<u8>,
        probes: Vec<Vec<u8>>,
        limits: RawLimits,
    ) -> PyResult<Option<u64>> {
        self.queue(source, Tests { tests, entry_point, setup, probes, work: Work::Tests }, limits)
    }

    /// Queues a source and calls of its functions, each a tuple of function, arguments, named arguments,
    /// expected value and tolerance as `encode` gives it. Returns as `submit` does.
    fn submit_calls(
        &self,
        source: Vec<u8>,
        calls: Vec<Vec<u8>>,
        entry_point: Vec<u8>,
        limits: RawLimits,
    ) -> PyResult<Option<u64>> {
        self.queue(source, Tests { entry_point, work: Work::Calls(calls), ..Tests::default() }, limits)
    }

    /// Queues a whole program and its cases, each a standard input, a standard output and a tolerance. Returns
    /// as `submit` does.
    fn submit_cases(
        &self,
        source: Vec<u8>,
        cases: Vec<(Vec<u8>, Vec<u8>, f64)>,
        limits: RawLimits,
    ) -> PyResult<Option<u64>> {
        let case = |(stdin, stdout, tolerance)| Case { stdin, stdout, tolerance: Tolerance::new(tolerance) };
        let work = Work::Cases(cases.into_iter().map(case).collect());
        self.queue(source, Tests { work, ..Tests::default() }, limits)
    }

    /// Queues a command. Returns as `submit` does.
    fn submit_command(
        &self,
        argv: Vec<Vec<u8>>,
        files: Vec<(Vec<u8>, Vec<u8>)>,
        stdin: Vec<u8>,
        outputs: Vec<Vec<u8>>,
        environment: Vec<(Vec<u8>, Vec<u8>)>,
        limits: RawLimits,
    ) -> PyResult<Option<u64>> {
        let work = Work::Command(Box::new(Command { argv, environment, stdin, files, outputs }));
        self.queue(Vec::new(), Tests { work, ..Tests::default() }, limits)
    }

    /// The next execution as a dictionary; `None` if there is none within `patience` seconds.
    fn next<'py>(&self, py: Python<'py>, patience: f64) -> PyResult<Option<Bound<'py, PyDict>>> {
        let mut left = Duration::try_from_secs_f64(patience).unwrap_or(Duration::MAX);
        loop {
            let tick = left.min(TICK);
            let found = py.detach(|| {
                let inner = self.inner.lock().map_err(|_| closed())?;
                Ok::<_, PyErr>(inner.as_ref().ok_or_else(closed)?.next(tick))
            })?;
            if let Some(execution) = found {
                return to_dict(py, &execution).map(Some);
            }
            py.check_signals()?;
            left = left.saturating_sub(tick);
            if left.is_zero() {
                return Ok(None);
            }
        }
    }

    /// Cancels what is not done.
    fn cancel(&self, py: Python<'_>) {
        let inner = self.inner.lock().ok().and_then(|mut inner| inner.take());
        py.detach(|| drop(inner));
    }
}

fn to_dict<'py>(py: Python<'py>, execution: &Execution) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let mut failures = Vec::new();
    for failure in &execution.failures {
        let texts = [
            &failure.kind,
            &seen(py, &failure.call, SHOWN),
            &seen(py, &failure.got, SHOWN),
            &seen(py, &failure.expected, SHOWN),
            &failure.exception,
            &failure.message,
        ];
        failures.push((failure.test, texts.map(|text| PyString::new(py, text))));
    }
    let mut outcome = execution.outcome;
    let mut probes = Vec::new();
    for probe in &execution.probes {
        let value = probe.value.as_ref().unwrap_or(&Value::None);
        match to_object_until(py, value, Instant::now() + PROBE_PATIENCE) {
            Ok(Some(object)) => {
                let text = seen(py, &probe.text, PROBE_SHOWN);
                probes.push((object, text, probe.exception.as_str(), probe.message.as_str()));
            }
            // Made so that it cannot be put together in this process without holding it up.
            _ => {
                let message = "a result is too large to be carried";
                probes.push((py.None().into_bound(py), String::new(), "OverflowError", message));
                if execution.tests_total == 0 && outcome == Outcome::Pass {
                    outcome = Outcome::Fail;
                }
            }
        }
    }
    dict.set_item("index", execution.index)?;
    dict.set_item("outcome", outcome.name())?;
    dict.set_item("tests_passed", execution.tests_passed)?;
    dict.set_item("tests_total", execution.tests_total)?;
    dict.set_item("failures", failures)?;
    dict.set_item("probes", probes)?;
    dict.set_item("behaviour", &execution.behaviour)?;
    dict.set_item("stdout", String::from_utf8_lossy(&execution.stdout))?;
    dict.set_item("stderr", String::from_utf8_lossy(&execution.stderr))?;
    dict.set_item("detail", &execution.detail)?;
    dict.set_item("seconds", execution.seconds)?;
    dict.set_item("cpu", execution.cpu)?;
    dict.set_item("memory", execution.memory)?;
    dict.set_item("isolation", execution.level.name())?;
    dict.set_item("shared_process", execution.shared)?;
    dict.set_item("status", execution.status)?;
    let files = PyDict::new(py);
    for (name, contents) in &execution.files {
        files.set_item(OsStr::from_bytes(name), PyBytes::new(py, contents))?;
    }
    dict.set_item("files", files)?;
    Ok(dict)
}

fn seen(py: Python<'_>, seen: &Seen, limit: usize) -> String {
    match seen {
        Seen::Text(text) => text.clone(),
        Seen::Plain(value) => bounded(&shown(py, value), limit),
        Seen::Call(call) => bounded(&shown_call(py, call), limit),
    }
}
