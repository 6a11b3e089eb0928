//! The judge's role: execute the tests, and report on each.
//!
//! With a candidate behind a channel, the tests' process is out of the candidate's reach; it then serves one
//! candidate after another, and executes the setup anew for each. Without one, the source is executed right
//! here, after everything of the tests' side has been compiled.

use std::sync::Arc;

use forge_core::report::{Finish, invalid};
use forge_core::text::{SHOWN, bounded, without_addresses};
use forge_core::value::Value;
use forge_core::wire::Channel;
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::candidate::{self, describe};
use crate::convert::{to_object, to_value};
use crate::fair::Fair;
use crate::proxy::{Desk, Equal, Proxy};
use crate::zygote::Driver;

/// What a program is held against.
struct Tests {
    entry_point: Vec<u8>,
    code: Vec<u8>,
}

impl Tests {
    fn from_value(value: &Value) -> Option<Self> {
        match value.items()? {
            [Value::Str(entry_point), Value::Bytes(code)] => {
                Some(Self { entry_point: entry_point.clone(), code: code.clone() })
            }
            _ => None,
        }
    }
}

/// A test's code, the text for what it is about, and whether that text is the whole story.
type Test<'py> = (Bound<'py, PyAny>, String, bool);

/// Tests that are ready to be executed.
struct Prepared<'py> {
    setup: Bound<'py, PyAny>,
    tests: Vec<Test<'py>>,
    probes: Vec<Bound<'py, PyAny>>,
    /// Every name that they load.
    used: Bound<'py, PyAny>,
}

/// A process that holds tests.
pub struct Judge<'py> {
    pub py: Python<'py>,
    pub desk: Arc<Desk>,
    pub driver: Arc<Driver>,
    tests: Tests,
    pub shared: bool,
}

/// How a job's tests ended, when they were not broken off.
type Ending = (&'static str, String);

/// Holds tests against one candidate after another, until the supervisor goes away; returns the exit code.
pub fn serve(py: Python<'_>, driver: &Driver, mut report: Channel) -> i32 {
    let Some(tests) = report.receive().ok().and_then(|(value, _)| Tests::from_value(&value)) else {
        return 1;
    };
    let desk = Arc::new(Desk::new(report));
    let Ok(judge) = Judge::new(py, driver, desk, tests, false) else {
        return 1;
    };
    let Ok(prepared) = judge.prepare() else {
        return 1;
    };
    while let Some((candidate, token, processes, program)) = next_job(py, &judge.desk) {
        judge.desk.begin(token, Some(candidate));
        let mut ending = judge.work(&prepared, |judge| judge.load(processes, program));
        if matches!(ending, Ok(("done", _))) && judge.desk.is_marked(py).unwrap_or(true) {
            ending = Ok(("spent", String::new()));
        }
        judge.finish(ending);
        judge.desk.dismiss_candidate();
        if driver.get(py, "forget").and_then(|forget| forget.call0()).is_err() {
            return 1;
        }
    }
    0
}

/// The next candidate's channel, the token of its job, how many processes it may have, and its program.
fn next_job(py: Python<'_>, desk: &Desk) -> Option<(Channel, Vec<u8>, Value, Value)> {
    py.detach(|| {
        desk.receive(|report| {
            let candidate = Channel::new(report.receive_descriptor()?);
            Ok((candidate, report.receive()?.0))
        })
    })
    .ok()
    .and_then(|(candidate, job)| match job {
        Value::Tuple(parts) => match <[Value; 3]>::try_from(parts).ok()? {
            [Value::Bytes(token), processes, program] => Some((candidate, token, processes, program)),
            _ => None,
        },
        _ => None,
    })
}

/// Executes source and tests in this very process; returns the exit code. `counted` as in `Duty`.
pub fn share(py: Python<'_>, driver: &Driver, mut report: Channel, counted: bool) -> i32 {
    let Ok((Value::Tuple(parts), _)) = report.receive() else {
        return 1;
    };
    let [Value::Bytes(token), Value::Int(processes), source, tests] = parts.as_slice() else {
        return 1;
    };
    let Some(tests) = Tests::from_value(tests) else {
        return 1;
    };
    let desk = Arc::new(Desk::new(report));
    let Ok(judge) = Judge::new(py, driver, desk, tests, true) else {
        return 1;
    };
    judge.desk.begin(token.clone(), None);
    let ending = || -> PyResult<Ending> {
        let prepared = judge.prepare()?;
        candidate::limit_processes(counted, *processes)?;
        judge.work(&prepared, |judge| judge.load_here(source))
    };
    judge.finish(ending());
    0
}

/// Representation of an object, bounded, the same on every run.
pub fn shown(object: &Bound<'_, PyAny>) -> String {
    match object.repr() {
        Ok(text) => bounded(&without_addresses(&text.to_string_lossy()), SHOWN),
        Err(_) => format!("<{}>", crate::convert::type_name(object)),
    }
}

/// The entry point's name and what it stands for, if there is one.
type Entry<'py> = Option<(String, Bound<'py, PyAny>)>;

/// Names of a source that live in this process, if they do, and what the source offers.
type Loaded<'py> = Result<(Option<Bound<'py, PyDict>>, Offer), Ending>;

impl<'py> Judge<'py> {
    fn new(py: Python<'py>, driver: &Driver, desk: Arc<Desk>, tests: Tests, shared: bool) -> PyResult<Self> {
        Ok(Self { py, desk, driver: Arc::new(driver.again(py)?), tests, shared })
    }

    fn prepare(&self) -> PyResult<Prepared<'py>> {
        let py = self.py;
        let fair = self.shared.then(|| Fair::new(py)).transpose()?;
        let equal = Equal::new(Arc::clone(&self.desk), fair);
        let code = PyBytes::new(py, &self.tests.code);
        let prepared = self.driver.get(py, "unpack")?.call1((code, Bound::new(py, equal)?))?;
        let (setup, tests, probes, used) = prepared.extract()?;
        Ok(Prepared { setup, tests, probes, used })
    }

    /// Says the last word on a job.
    fn finish(&self, ending: PyResult<Ending>) {
        match ending {
            Ok((reason, detail)) => self.desk.close(reason, &detail),
            Err(error) if error.is_instance_of::<PyMemoryError>(self.py) => {
                self.desk.close("memory", "MemoryError");
            }
            Err(error) => self.desk.close("broken", &bounded(&error.to_string(), SHOWN)),
        }
    }

    /// Runs the tests against the source that `load` loads.
    fn work(
        &self,
        prepared: &Prepared<'py>,
        load: impl FnOnce(&Self) -> PyResult<Loaded<'py>>,
    ) -> PyResult<Ending> {
        let py = self.py;
        let names = self.driver.get(py, "new_module")?.call1(("tests",))?.cast_into::<PyDict>()?;
        let (source, offer) = match load(self)? {
            Ok(loaded) => loaded,
            Err(ending) => return Ok(ending),
        };
        let entry = match self.bind(&names, source.as_ref(), &offer)? {
            Ok(entry) => entry,
            Err(ending) => return Ok(ending),
        };
        let before = self.execute(&prepared.setup, &names).err();
        if let Some((name, object)) = entry {
            names.set_item(name, object)?;
        }
        self.provide(&names, &offer, &prepared.used)?;
        for (index, (code, text, direct)) in prepared.tests.iter().enumerate() {
            let outcome = match &before {
                Some(error) => Err(error.clone_ref(py)),
                None => self.execute(code, &names.copy()?),
            };
            self.report(index, outcome, text, *direct)?;
        }
        for code in &prepared.probes {
            let outcome = match &before {
                Some(error) => Err(error.clone_ref(py)),
                None => self.evaluate(code, &names.copy()?),
            };
            self.report_probe(outcome)?;
        }
        Ok(("done", String::new()))
    }

    /// Has the source executed here; what it offers.
    fn load_here(&self, source: &Value) -> PyResult<Loaded<'py>> {
        let names = self.driver.get(self.py, "new_module")?.call1(("candidate",))?.cast_into::<PyDict>()?;
        let answer = match candidate::load(&self.driver, &names, source) {
            // Looking closer would ask types of the program's own.
            Ok(()) => return Ok(Ok((Some(names), Offer::default()))),
            Err(error) => {
                let (name, _, _, text) = describe(&self.driver, &error)?;
                Value::Tuple(vec![Value::text("invalid"), name, text])
            }
        };
        Ok(self.offered(&answer).map(|offer| (Some(names), offer)))
    }

    /// Has the source executed by the candidate; what it offers.
    fn load(&self, processes: Value, program: Value) -> PyResult<Loaded<'py>> {
        let answer = self.desk.ask(self.py, &Value::Tuple(vec![Value::text("load"), processes, program]));
        Ok(self.offered(&answer).map(|offer| (None, offer)))
    }

    fn offered(&self, answer: &Value) -> Result<Offer, Ending> {
        match answer.items() {
            Some([kind, found]) if *kind == Value::text("loaded") => match found.items() {
                Some([functions, modules, others]) => {
                    Ok(Offer { functions: words(functions), modules: words(modules), others: words(others) })
                }
                _ => self.desk.finish("garbled", "not what a source offers"),
            },
            Some([kind, name, message]) if *kind == Value::text("invalid") => {
                let (finish, key) = invalid(&name.lossy(), &message.lossy());
                self.desk.state().behaviour.add(key.as_bytes());
                Err(match finish {
                    Finish::Memory(detail) => ("memory", detail),
                    Finish::Invalid(detail) => ("invalid", detail),
                    _ => ("broken", String::new()),
                })
            }
            _ => self.desk.finish("garbled", "not an answer to a source"),
        }
    }

    /// Puts the source's functions among the tests' names; returns the entry point, to be put again.
    fn bind(
        &self,
        names: &Bound<'py, PyDict>,
        source: Option<&Bound<'py, PyDict>>,
        offer: &Offer,
    ) -> PyResult<Result<Entry<'py>, Ending>> {
        let py = self.py;
        let entry = String::from_utf8_lossy(&self.tests.entry_point).into_owned();
        let wrapped = format!("(){entry}");
        if let Some(source) = source {
            for (key, value) in source.iter() {
                if key.extract::<String>().is_ok_and(|key| !key.starts_with("__")) {
                    names.set_item(key, value)?;
                }
            }
            if entry.is_empty() {
                return Ok(Ok(None));
            }
            let Ok(Some(object)) = source.get_item(&entry) else {
                return Ok(Err(self.missing(&entry)));
            };
            return Ok(Ok(Some((entry, object))));
        }
        // What a candidate offers may be a lie: no special names.
        let usable = |name: &&String| !name.starts_with("__") && !self.is_builtin(name);
        let functions = offer.functions.iter().filter(usable);
        for name in functions {
            names.set_item(name, self.proxy(name)?)?;
        }
        if entry.is_empty() {
            return Ok(Ok(None));
        }
        if offer.functions.contains(&entry) || offer.others.contains(&wrapped) {
            let proxy = self.proxy(&entry)?.into_bound(py).into_any();
            names.set_item(&entry, &proxy)?;
            return Ok(Ok(Some((entry, proxy))));
        }
        if offer.others.contains(&entry) {
            self.desk.finish("shared", &format!("{entry} is not a function"));
        }
        Ok(Err(self.missing(&entry)))
    }

    fn missing(&self, entry: &str) -> Ending {
        self.desk.state().behaviour.add(b"missing");
        ("invalid", format!("{} is not defined", bounded(entry, SHOWN)))
    }

    fn proxy(&self, name: &str) -> PyResult<Py<Proxy>> {
        let proxy = Proxy::new(Arc::clone(&self.desk), Arc::clone(&self.driver), name.to_owned());
        Py::new(self.py, proxy)
    }

    fn is_builtin(&self, name: &str) -> bool {
        let builtins = self.driver.get(self.py, "builtins");
        builtins.and_then(|module| module.hasattr(name)).unwrap_or(false)
    }

    /// Sees to the names that tests use and neither they nor the source's functions define.
    fn provide(&self, names: &Bound<'py, PyDict>, offer: &Offer, used: &Bound<'py, PyAny>) -> PyResult<()> {
        if self.shared || (offer.modules.is_empty() && offer.others.is_empty()) {
            return Ok(());
        }
        let py = self.py;
        let wanted = |name: &str| -> PyResult<bool> {
            Ok(used.contains(name)? && !names.contains(name)? && !self.is_builtin(name))
        };
        let stdlib = self.driver.get(py, "stdlib")?;
        for name in &offer.modules {
            if wanted(name)? && stdlib.contains(name)? {
                names.set_item(name, self.driver.get(py, "import_module")?.call1((name,))?)?;
            }
        }
        for name in &offer.others {
            let name = name.trim_start_matches("()");
            if wanted(name)? {
                self.desk.finish("shared", &format!("the tests use {}", bounded(name, SHOWN)));
            }
        }
        Ok(())
    }

    /// Executes prepared code; code that did not compile raises why.
    fn execute(&self, code: &Bound<'py, PyAny>, names: &Bound<'py, PyDict>) -> PyResult<()> {
        if code.is_none() {
            return Ok(());
        }
        self.begin(code)?;
        self.driver.get(self.py, "execute")?.call1((code, names)).map(drop)
    }

    fn evaluate(&self, code: &Bound<'py, PyAny>, names: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        self.begin(code)?;
        self.driver.get(self.py, "evaluate")?.call1((code, names))
    }

    fn begin(&self, code: &Bound<'py, PyAny>) -> PyResult<()> {
        let mut state = self.desk.state();
        state.call = None;
        state.calls = 0;
        state.mismatch = None;
        if code.is_instance_of::<pyo3::exceptions::PyBaseException>() {
            return Err(PyErr::from_value(code.clone()));
        }
        Ok(())
    }
}

#[derive(Default)]
struct Offer {
    functions: Vec<String>,
    modules: Vec<String>,
    others: Vec<String>,
}

fn words(value: &Value) -> Vec<String> {
    value.items().unwrap_or_default().iter().map(Value::lossy).collect()
}

/// Runs the judge's machinery once, so that its copies find it warm.
pub fn warm(py: Python<'_>, driver: &Driver) -> PyResult<()> {
    let names = driver.get(py, "new_module")?.call1(("candidate",))?.cast_into::<PyDict>()?;
    let source = "def f(a, *b, c=1):\n    return [a, b, {c: 1.5}, {2}, None, True]\n";
    candidate::load(driver, &names, &Value::text(source))?;
    candidate::defined(driver, &names)?;
    let arguments = PyTuple::new(py, [1, 2])?;
    let object = names.as_any().get_item("f")?.call1(arguments)?;
    if let Ok(value) = to_value(&object) {
        to_object(py, &Value::decode(&value.encode()).unwrap_or(Value::None))?;
    }
    shown(&object);
    if let Err(error) = names.as_any().get_item("f")?.call0() {
        describe(driver, &error)?;
    }
    candidate::flush(driver, py);
    Ok(())
}
