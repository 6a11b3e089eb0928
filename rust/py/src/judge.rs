//! The judge's role: execute the tests, and report on each.
//!
//! With a candidate behind a channel, the tests' process is out of the candidate's reach. Without one, the
//! source is executed right here, after everything of the tests' side has been compiled.

use std::sync::Arc;

use forge_core::value::Value;
use forge_core::wire::Channel;
use pyo3::exceptions::{PyAssertionError, PyMemoryError, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::candidate::{self, describe};
use crate::convert::{NotPlain, bounded, text, text_bytes, to_object, to_value};
use crate::proxy::{Desk, Equal, Proxy};
use crate::zygote::Driver;

const SHOWN: usize = 200;
const TEXT: usize = 10_000;

struct Payload {
    source: Vec<u8>,
    setup: Vec<u8>,
    entry_point: Vec<u8>,
    tests: Value,
    probes: Value,
}

/// A test's code, the text for what it is about, and whether that text is the whole story.
type Test<'py> = (Bound<'py, PyAny>, String, bool);

struct Judge<'py> {
    py: Python<'py>,
    desk: Arc<Desk>,
    driver: Arc<Driver>,
    payload: Payload,
    shared: bool,
}

/// Runs a job's tests; returns the exit code.
pub fn run(py: Python<'_>, driver: &Driver, mut report: Channel, candidate: Option<Channel>) -> i32 {
    let Some((token, payload)) = receive(&mut report) else {
        return 1;
    };
    let shared = candidate.is_none();
    let desk = Arc::new(Desk::new(report, candidate, token));
    let Ok(driver) = driver.again(py) else {
        return 1;
    };
    desk.record("begin", vec![]);
    let judge = Judge { py, desk, driver: Arc::new(driver), payload, shared };
    match judge.work() {
        Ok(()) => judge.desk.finish("done", ""),
        Err(error) if error.is_instance_of::<PyMemoryError>(py) => judge.desk.finish("memory", "MemoryError"),
        Err(error) => judge.desk.finish("broken", &bounded(&error.to_string(), SHOWN)),
    }
}

fn receive(report: &mut Channel) -> Option<(Vec<u8>, Payload)> {
    let (value, _) = report.receive().ok()?;
    match value {
        Value::Tuple(items) => match <[Value; 6]>::try_from(items).ok()? {
            [
                Value::Bytes(token),
                Value::Str(source),
                Value::Str(setup),
                Value::Str(entry_point),
                tests,
                probes,
            ] => Some((token, Payload { source, setup, entry_point, tests, probes })),
            _ => None,
        },
        _ => None,
    }
}

/// Representation of an object, bounded, the same on every run.
pub fn shown(object: &Bound<'_, PyAny>) -> String {
    match object.repr() {
        Ok(text) => bounded(&without_addresses(&text.to_string_lossy()), SHOWN),
        Err(_) => format!("<{}>", crate::convert::type_name(object)),
    }
}

fn without_addresses(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find(" at 0x") {
        out.push_str(&rest[..place]);
        rest = rest[place + 6..].trim_start_matches(|letter: char| letter.is_ascii_hexdigit());
    }
    out + rest
}

impl<'py> Judge<'py> {
    fn work(&self) -> PyResult<()> {
        let py = self.py;
        let tests = to_object(py, &self.payload.tests)?;
        let probes = to_object(py, &self.payload.probes)?;
        let setup = text(py, &self.payload.setup)?;
        let equal = Equal::new(Arc::clone(&self.desk), Arc::clone(&self.driver), self.shared);
        let equal = Bound::new(py, equal)?;
        if self.shared {
            self.driver.get(py, "remember_types")?.call0()?;
        }
        let prepared = self.driver.get(py, "prepare")?.call1((setup, &tests, &probes, equal))?;
        let (setup_code, test_codes, probe_codes): (
            Bound<'py, PyAny>,
            Vec<Test<'py>>,
            Vec<Bound<'py, PyAny>>,
        ) = prepared.extract()?;
        let names = self.driver.get(py, "new_module")?.call1(("tests",))?.cast_into::<PyDict>()?;
        let source = if self.shared { Some(self.load_here()?) } else { None };
        let offer = self.load(source.as_ref())?;
        let entry = self.bind(&names, source.as_ref(), &offer)?;
        let before = self.execute(&setup_code, &names).err();
        if let Some((name, object)) = entry {
            names.set_item(name, object)?;
        }
        self.provide(&names, &offer)?;
        for (index, (code, text, direct)) in test_codes.iter().enumerate() {
            let outcome = match &before {
                Some(error) => Err(error.clone_ref(py)),
                None => self.execute(code, &names.copy()?),
            };
            self.report(index, outcome, text, *direct)?;
        }
        for code in &probe_codes {
            let outcome = match &before {
                Some(error) => Err(error.clone_ref(py)),
                None => self.evaluate(code, &names.copy()?),
            };
            self.report_probe(outcome)?;
        }
        Ok(())
    }

    fn load_here(&self) -> PyResult<Bound<'py, PyDict>> {
        let names = self.driver.get(self.py, "new_module")?.call1(("candidate",))?.cast_into::<PyDict>()?;
        Ok(names)
    }

    /// Has the source executed; what it offers.
    fn load(&self, here: Option<&Bound<'py, PyDict>>) -> PyResult<Offer> {
        let answer = match here {
            None => {
                let source = Value::Str(self.payload.source.clone());
                self.desk.ask(self.py, &Value::Tuple(vec![Value::text("load"), source]))
            }
            Some(names) => match candidate::load(&self.driver, names, &self.payload.source) {
                Ok(()) => candidate::defined(&self.driver, names)?,
                Err(error) => {
                    let (name, _, _, text) = describe(&self.driver, &error)?;
                    Value::Tuple(vec![Value::text("invalid"), name, text])
                }
            },
        };
        match answer.items() {
            Some([kind, found]) if *kind == Value::text("loaded") => match found.items() {
                Some([functions, modules, others]) => {
                    Ok(Offer { functions: words(functions), modules: words(modules), others: words(others) })
                }
                _ => self.desk.finish("garbled", "not what a source offers"),
            },
            Some([kind, name, message]) if *kind == Value::text("invalid") => {
                let name = bounded(&name.lossy(), SHOWN);
                self.desk.state().behaviour.add(name.as_bytes());
                let detail = bounded(&format!("{name}: {}", message.lossy()), SHOWN);
                self.desk.finish(if name == "MemoryError" { "memory" } else { "invalid" }, &detail)
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
    ) -> PyResult<Option<(String, Bound<'py, PyAny>)>> {
        let py = self.py;
        let entry = String::from_utf8_lossy(&self.payload.entry_point).into_owned();
        let wrapped = format!("(){entry}");
        if let Some(source) = source {
            for (key, value) in source.iter() {
                if key.extract::<String>().is_ok_and(|key| !key.starts_with("__")) {
                    names.set_item(key, value)?;
                }
            }
            if entry.is_empty() {
                return Ok(None);
            }
            let Ok(Some(object)) = source.get_item(&entry) else {
                self.missing(&entry);
            };
            return Ok(Some((entry, object)));
        }
        // What a candidate offers may be a lie: no special names.
        let usable = |name: &&String| !name.starts_with("__") && !self.is_builtin(name);
        let functions = offer.functions.iter().filter(usable);
        for name in functions {
            names.set_item(name, self.proxy(name)?)?;
        }
        if entry.is_empty() {
            return Ok(None);
        }
        if offer.functions.contains(&entry) || offer.others.contains(&wrapped) {
            let proxy = self.proxy(&entry)?.into_bound(py).into_any();
            names.set_item(&entry, &proxy)?;
            return Ok(Some((entry, proxy)));
        }
        if offer.others.contains(&entry) {
            self.desk.finish("shared", &format!("{entry} is not a function"));
        }
        self.missing(&entry)
    }

    fn missing(&self, entry: &str) -> ! {
        self.desk.state().behaviour.add(b"missing");
        let detail = format!("{} is not defined", bounded(entry, SHOWN));
        self.desk.finish("invalid", &detail)
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
    fn provide(&self, names: &Bound<'py, PyDict>, offer: &Offer) -> PyResult<()> {
        if self.shared || (offer.modules.is_empty() && offer.others.is_empty()) {
            return Ok(());
        }
        let py = self.py;
        let tests = to_object(py, &self.payload.tests)?;
        let probes = to_object(py, &self.payload.probes)?;
        let setup = text(py, &self.payload.setup)?;
        let used = self.driver.get(py, "used_names")?.call1((setup, tests, probes))?;
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

    fn report(&self, index: usize, outcome: PyResult<()>, text: &str, direct: bool) -> PyResult<()> {
        let py = self.py;
        let index = Value::Int(i64::try_from(index).unwrap_or(-1));
        let nothing = || Value::text("");
        let fields = match outcome {
            Ok(()) => {
                let mut fields = vec![index, Value::text("held")];
                fields.extend([(); 5].map(|()| nothing()));
                fields
            }
            Err(error) => {
                self.leave_if_exit(&error);
                let (name, _, _, message) = describe(&self.driver, &error)?;
                let (mismatch, call) = {
                    let mut state = self.desk.state();
                    (state.mismatch.take(), state.call.take())
                };
                let raised = call.as_ref().is_some_and(|call| call.raised);
                let rendered = call.as_ref().filter(|_| !direct).map(|call| call.text(py));
                let about = rendered.unwrap_or_else(|| text.to_owned());
                let returned = call.and_then(|call| call.returned);
                let got = returned.map_or(String::new(), |value| {
                    to_object(py, &value).map_or(String::new(), |object| shown(&object))
                });
                let asserted = error.is_instance_of::<PyAssertionError>(py) && !raised;
                let (kind, about, got, expected) = match mismatch {
                    Some((own, got, expected)) if asserted => {
                        let about = if own.is_empty() { about } else { own };
                        ("value", about, got, expected)
                    }
                    _ if asserted => ("false", about, got, String::new()),
                    _ => ("raise", about, String::new(), String::new()),
                };
                if self.shared {
                    self.desk.state().behaviour.add(&name.encode());
                }
                let message = without_addresses(&message.lossy());
                vec![
                    index,
                    Value::text(kind),
                    Value::text(&bounded(&about, SHOWN)),
                    Value::text(&got),
                    Value::text(&expected),
                    name,
                    Value::text(&bounded(&message, SHOWN)),
                ]
            }
        };
        let mut fields = fields;
        fields.push(Value::text(&self.desk.state().behaviour.hex()));
        self.desk.record("test", fields);
        Ok(())
    }

    /// In a shared process, leaving early is the program's own doing.
    fn leave_if_exit(&self, error: &PyErr) {
        if self.shared && error.is_instance_of::<PySystemExit>(self.py) {
            self.desk.finish("exit", "the program called sys.exit");
        }
    }

    fn report_probe(&self, outcome: PyResult<Bound<'py, PyAny>>) -> PyResult<()> {
        let nothing = || Value::text("");
        let fields = match outcome {
            Ok(object) => {
                let text = match object.repr() {
                    Ok(text) => Value::Str(text_bytes(&text)?),
                    Err(_) => nothing(),
                };
                match to_value(&object) {
                    Ok(value) => {
                        let text = Value::text(&bounded(&text.lossy(), TEXT));
                        vec![Value::Tuple(vec![value]), text, nothing(), nothing()]
                    }
                    Err(NotPlain::Failed(error)) => return Err(error),
                    Err(NotPlain::TooLarge) => {
                        vec![Value::None, nothing(), Value::text("OverflowError"), Value::text("too large")]
                    }
                    Err(NotPlain::Type(name)) => {
                        let message =
                            Value::text(&format!("a {} is not a plain value", bounded(&name, SHOWN)));
                        vec![Value::None, nothing(), Value::text("TypeError"), message]
                    }
                }
            }
            Err(error) => {
                self.leave_if_exit(&error);
                let (name, _, _, message) = describe(&self.driver, &error)?;
                let message = without_addresses(&message.lossy());
                vec![Value::None, nothing(), name, Value::text(&bounded(&message, SHOWN))]
            }
        };
        self.desk.record("probe", fields);
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
    candidate::load(driver, &names, b"def f(a, *b, c=1):\n    return [a, b, {c: 1.5}, {2}, None, True]\n")?;
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
