//! What stands in the judge's process for a function of the candidate's: sends arguments, gets a value.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forge_core::behaviour::{Behaviour, answer_key};
use forge_core::error::{Error, Result};
use forge_core::sys;
use forge_core::value::Value;
use forge_core::wire::{Channel, frame};
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::convert::{NotPlain, to_object, to_value, type_name};
use crate::fair::{Fair, compare};
use crate::zygote::Driver;

/// More changed objects than these are not followed up.
const MOST_CHANGED: usize = 64;
const DYING: std::time::Duration = std::time::Duration::from_millis(5);

/// The last call that the tests made.
#[derive(Clone)]
pub struct Call {
    name: String,
    arguments: Value,
    named: Value,
    /// What came back, if it was a value.
    pub returned: Option<Value>,
    /// Whether an exception came back.
    pub raised: bool,
}

/// What the judge knows and says. Shared by all proxies.
pub struct Desk {
    report: Mutex<Channel>,
    candidate: Mutex<Option<Channel>>,
    token: Mutex<Vec<u8>>,
    state: Mutex<State>,
}

/// What changes from call to call.
#[derive(Default)]
pub struct State {
    /// Over all replies so far.
    pub behaviour: Behaviour,
    /// The last call of the running test.
    pub call: Option<Call>,
    /// Calls of the running test.
    pub calls: usize,
    /// The last comparison of the running test that did not hold: text, got, expected.
    pub mismatch: Option<(String, String, String)>,
    /// What the candidate has changed in place: arguments of the tests.
    changed: Vec<Py<PyAny>>,
}

impl State {
    fn mark(&mut self, object: Bound<'_, PyAny>) {
        if self.changed.len() <= MOST_CHANGED && !self.changed.iter().any(|known| known.is(&object)) {
            self.changed.push(object.unbind());
        }
    }
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    /// A desk with a channel to the supervisor.
    pub fn new(report: Channel) -> Self {
        Self {
            report: Mutex::new(report),
            candidate: Mutex::default(),
            token: Mutex::default(),
            state: Mutex::default(),
        }
    }

    /// Begins a job: from now on records carry this token, and calls go to this candidate.
    pub fn begin(&self, token: Vec<u8>, candidate: Option<Channel>) {
        *hold(&self.token) = token;
        *hold(&self.candidate) = candidate;
        *self.state() = State::default();
        self.record("begin", vec![]);
    }

    /// Whether something that the candidate has changed may still be there for the next one. Asked once the
    /// tests' names are gone.
    pub fn is_marked(&self, py: Python<'_>) -> PyResult<bool> {
        let changed = std::mem::take(&mut self.state().changed);
        let count = |object: &Py<PyAny>| -> PyResult<usize> {
            py.import("sys")?.call_method1("getrefcount", (object,))?.extract()
        };
        let alone = count(&PyList::empty(py).into_any().unbind())?;
        for object in &changed {
            if count(object)? > alone {
                return Ok(true);
            }
        }
        Ok(changed.len() > MOST_CHANGED)
    }

    /// Hangs up on the candidate.
    pub fn dismiss_candidate(&self) {
        *hold(&self.candidate) = None;
    }

    /// Receives from the supervisor.
    pub fn receive<T>(&self, what: impl FnOnce(&mut Channel) -> Result<T>) -> Result<T> {
        what(&mut hold(&self.report))
    }

    /// What changes from call to call.
    pub fn state(&self) -> MutexGuard<'_, State> {
        hold(&self.state)
    }

    /// Sends one record to the supervisor.
    pub fn record(&self, kind: &str, items: Vec<Value>) {
        let mut record = vec![Value::Bytes(hold(&self.token).clone()), Value::text(kind)];
        record.extend(items);
        if hold(&self.report).send(&Value::Tuple(record)).is_err() {
            sys::exit(1);
        }
    }

    /// Sends the last record of a job.
    pub fn close(&self, reason: &str, detail: &str) {
        let behaviour = self.state().behaviour.hex();
        self.record("end", vec![Value::text(reason), Value::text(detail), Value::text(&behaviour)]);
    }

    /// Sends the last record and ends the process, from wherever in the tests.
    pub fn finish(&self, reason: &str, detail: &str) -> ! {
        self.close(reason, detail);
        sys::exit(0)
    }

    /// Sends one message to the candidate and waits for the answer. A candidate that does not answer with a
    /// message ends the job.
    pub fn ask(&self, py: Python<'_>, question: &Value) -> Value {
        let answer = py.detach(|| match &mut *hold(&self.candidate) {
            Some(channel) => channel.send_frame(&frame(question)).and_then(|()| channel.receive()),
            None => Err(Error::Closed),
        });
        match answer {
            Ok((answer, _)) => answer,
            Err(Error::Malformed(reason)) => self.finish("garbled", reason),
            Err(_) => {
                // A process whose channel closes because it dies is dead a moment later: let that be seen.
                std::thread::sleep(DYING);
                self.finish("closed", "")
            }
        }
    }
}

/// A function of the candidate's.
#[pyclass(frozen, module = "builtins", name = "function")]
pub struct Proxy {
    desk: Arc<Desk>,
    driver: Arc<Driver>,
    name: String,
}

impl Proxy {
    /// A proxy for the function of that name.
    pub fn new(desk: Arc<Desk>, driver: Arc<Driver>, name: String) -> Self {
        Self { desk, driver, name }
    }
}

#[pymethods]
impl Proxy {
    #[getter]
    fn __name__(&self) -> &str {
        &self.name
    }

    fn __repr__(&self) -> String {
        format!("<function {}>", self.name)
    }

    #[pyo3(signature = (*arguments, **named))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        arguments: &Bound<'py, PyTuple>,
        named: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let plain = |object: &Bound<'py, PyAny>| match to_value(object) {
            Ok(value) => Ok(value),
            Err(NotPlain::Type(name)) => self.desk.finish("shared", &format!("an argument is a {name}")),
            Err(NotPlain::TooLarge) => {
                Err(PyOverflowError::new_err("an argument is too large to be carried"))
            }
            Err(NotPlain::Failed(error)) => Err(error),
        };
        let values = plain(arguments.as_any())?;
        let keywords = match named {
            Some(named) => plain(named.as_any())?,
            None => Value::Dict(vec![]),
        };
        let name = Value::text(&self.name);
        let question = Value::Tuple(vec![name, values.clone(), keywords.clone()]);
        let answer = self.desk.ask(py, &question);
        let Some([reply, Value::List(changes)]) = answer.items() else {
            self.desk.finish("garbled", "not a reply");
        };
        {
            let mut state = self.desk.state();
            state.calls += 1;
            state.behaviour.add(&answer_key(reply, changes));
            state.call = Some(Call {
                name: self.name.clone(),
                arguments: values,
                named: keywords,
                returned: None,
                raised: false,
            });
        }
        for change in changes {
            match write_back(arguments, change) {
                Ok(object) => self.desk.state().mark(object),
                Err(_) => self.desk.finish("garbled", "not a change of an argument"),
            }
        }
        self.result(py, reply, arguments)
    }
}

impl Proxy {
    fn garbled(&self) -> ! {
        self.desk.finish("garbled", "not a reply")
    }

    fn result<'py>(
        &self,
        py: Python<'py>,
        reply: &Value,
        arguments: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Some([kind, rest @ ..]) = reply.items() else {
            self.garbled();
        };
        match (kind.lossy().as_str(), rest) {
            ("value", [value]) => {
                if let Some(call) = &mut self.desk.state().call {
                    call.returned = Some(value.clone());
                }
                to_object(py, value).or_else(|error| {
                    if error.is_instance_of::<PyTypeError>(py) { self.garbled() } else { Err(error) }
                })
            }
            ("argument", [Value::Int(place)]) => {
                let place = usize::try_from(*place).unwrap_or(usize::MAX);
                let object = arguments.get_item(place).unwrap_or_else(|_| self.garbled());
                if let (Some(call), Ok(value)) = (&mut self.desk.state().call, to_value(&object)) {
                    call.returned = Some(value);
                }
                Ok(object)
            }
            ("raise", [name, base, values, message]) => {
                if let Some(call) = &mut self.desk.state().call {
                    call.raised = true;
                }
                let parts = [name, base, values, message].map(|part| to_object(py, part));
                let [Ok(name), Ok(base), Ok(values), Ok(message)] = parts else {
                    self.garbled();
                };
                let error = self.driver.get(py, "recreate")?.call1((name, base, values, message))?;
                Err(PyErr::from_value(error))
            }
            ("foreign", [name]) => self.desk.finish("shared", &format!("a result is a {}", name.lossy())),
            ("large", []) => Err(PyOverflowError::new_err("a result is too large to be carried")),
            ("exit", []) => self.desk.finish("exit", "the program called sys.exit"),
            _ => self.garbled(),
        }
    }
}

/// Makes a change to an argument; returns that.
fn write_back<'py>(arguments: &Bound<'py, PyTuple>, change: &Value) -> PyResult<Bound<'py, PyAny>> {
    let wrong = || PyTypeError::new_err("not a change");
    let Some([Value::Int(place), value]) = change.items() else {
        return Err(wrong());
    };
    let py = arguments.py();
    let old = arguments.get_item(usize::try_from(*place).map_err(|_| wrong())?)?;
    let new = to_object(py, value)?;
    if !old.get_type().is(new.get_type()) {
        return Err(wrong());
    }
    match value {
        Value::List(_) | Value::ByteArray(_) => {
            let all = pyo3::types::PySlice::full(py);
            old.set_item(all, new)?;
        }
        Value::Dict(_) | Value::Set(_) => {
            old.call_method0("clear")?;
            old.call_method1("update", (new,))?;
        }
        _ => return Err(wrong()),
    }
    Ok(old)
}

impl Call {
    /// The call as text: the function's name and the representations of its arguments.
    pub fn text(&self, py: Python<'_>) -> String {
        let show = |value: &Value| {
            to_object(py, value).and_then(|object| object.repr()).map_or_else(
                |_| "…".to_owned(),
                |text: Bound<'_, PyString>| text.to_string_lossy().into_owned(),
            )
        };
        let mut parts: Vec<String> = self.arguments.items().unwrap_or_default().iter().map(show).collect();
        if let Value::Dict(named) = &self.named {
            parts.extend(named.iter().map(|(key, value)| format!("{}={}", key.lossy(), show(value))));
        }
        format!("{}({})", self.name, parts.join(", "))
    }
}

/// The comparison that rewritten asserts make.
#[pyclass(frozen, module = "builtins", name = "equal")]
pub struct Equal {
    desk: Arc<Desk>,
    /// How to compare where the program shares this process.
    shared: Option<Fair>,
}

impl Equal {
    /// A comparison that tells `desk` what did not hold.
    pub fn new(desk: Arc<Desk>, shared: Option<Fair>) -> Self {
        Self { desk, shared }
    }
}

#[pymethods]
impl Equal {
    fn __call__(
        &self,
        got: &Bound<'_, PyAny>,
        expected: &Bound<'_, PyAny>,
        sign: &str,
        text: &str,
    ) -> PyResult<bool> {
        if self.shared.is_some() {
            let key = to_value(got).map_or_else(|_| type_name(got).into_bytes(), |value| value.encode());
            self.desk.state().behaviour.add(&key);
        }
        let held = self.compare(got, expected, sign)?;
        if !held && sign == "==" {
            self.note(got, expected, text);
        }
        Ok(held)
    }
}

impl Equal {
    fn compare(&self, got: &Bound<'_, PyAny>, expected: &Bound<'_, PyAny>, sign: &str) -> PyResult<bool> {
        match &self.shared {
            Some(fair) => fair.compare(got, expected, sign),
            None => compare(got, expected, sign),
        }
    }

    fn note(&self, got: &Bound<'_, PyAny>, expected: &Bound<'_, PyAny>, text: &str) {
        let show = crate::judge::shown;
        let mismatch = (text.to_owned(), show(got), show(expected));
        self.desk.state().mismatch = Some(mismatch);
    }
}
