//! The candidate's role: execute a source, then answer calls of its functions with plain values.
//!
//! Everything here may be attacked by the source: it shares the process. Nothing here is trusted by anyone.

use forge_core::value::Value;
use forge_core::wire::Channel;
use pyo3::exceptions::{PyMemoryError, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::convert::{NotPlain, text, to_object, to_value};
use crate::zygote::Driver;

const LEFT: i32 = 3;

/// Serves the judge behind a channel until it goes away; returns the exit code.
pub fn serve(py: Python<'_>, driver: &Driver, mut judge: Channel) -> i32 {
    match live(py, driver, &mut judge) {
        Ok(()) => 0,
        Err(_) => LEFT,
    }
}

fn live(py: Python<'_>, driver: &Driver, judge: &mut Channel) -> PyResult<()> {
    let Some(Value::Tuple(first)) = receive(py, judge) else {
        return Ok(());
    };
    let [_, Value::Str(source)] = first.as_slice() else {
        return Ok(());
    };
    let names = driver.get(py, "new_module")?.call1(("candidate",))?.cast_into::<PyDict>()?;
    let loaded = load(driver, &names, source);
    let reply = match &loaded {
        Ok(()) => defined(driver, &names)?,
        Err(error) => refused(driver, error)?,
    };
    flush(driver, py);
    send(py, judge, &reply)?;
    if loaded.is_err() {
        return Ok(());
    }
    while let Some(Value::Tuple(call)) = receive(py, judge) {
        let [_, Value::Str(name), Value::Tuple(arguments), Value::Dict(named)] = call.as_slice() else {
            return Ok(());
        };
        let reply = answer(driver, &names, name, arguments, named)?;
        flush(driver, py);
        send(py, judge, &reply)?;
    }
    Ok(())
}

fn receive(py: Python<'_>, judge: &mut Channel) -> Option<Value> {
    py.detach(|| judge.receive()).ok().map(|(value, _)| value)
}

fn send(py: Python<'_>, judge: &mut Channel, reply: &Value) -> PyResult<()> {
    py.detach(|| judge.send(reply)).map_err(|error| PySystemExit::new_err(error.to_string()))
}

/// Compiles and executes a source.
pub fn load(driver: &Driver, names: &Bound<'_, PyDict>, source: &[u8]) -> PyResult<()> {
    let py = names.py();
    let compile = driver.get(py, "compile")?;
    let options = PyDict::new(py);
    options.set_item("dont_inherit", true)?;
    let code = compile.call((text(py, source)?, "<candidate>", "exec"), Some(&options))?;
    driver.get(py, "execute")?.call1((code, names)).map(drop)
}

/// What a loaded source offers: names of functions, of modules, of all else.
pub fn defined(driver: &Driver, names: &Bound<'_, PyDict>) -> PyResult<Value> {
    let found = driver.get(names.py(), "classify")?.call1((names,))?;
    let found = to_value(&found).unwrap_or(Value::None);
    Ok(Value::Tuple(vec![Value::text("loaded"), found]))
}

fn refused(driver: &Driver, error: &PyErr) -> PyResult<Value> {
    let (name, _, _, text) = describe(driver, error)?;
    Ok(Value::Tuple(vec![Value::text("invalid"), name, text]))
}

/// An exception as values: type, built-in ancestor, arguments (or none, if they are not plain), text.
pub fn describe(driver: &Driver, error: &PyErr) -> PyResult<(Value, Value, Value, Value)> {
    Python::attach(|py| {
        let parts = driver.get(py, "describe")?.call1((error.value(py),))?.cast_into::<PyTuple>()?;
        let part = |index| parts.get_item(index).map(|item| to_value(&item).unwrap_or(Value::None));
        Ok((part(0)?, part(1)?, part(2)?, part(3)?))
    })
}

fn answer(
    driver: &Driver,
    names: &Bound<'_, PyDict>,
    name: &[u8],
    arguments: &[Value],
    named: &[(Value, Value)],
) -> PyResult<Value> {
    let py = names.py();
    let objects = arguments.iter().map(|value| to_object(py, value)).collect::<PyResult<Vec<_>>>()?;
    let keywords = PyDict::new(py);
    for (key, value) in named {
        keywords.set_item(to_object(py, key)?, to_object(py, value)?)?;
    }
    let function = names.as_any().get_item(text(py, name)?);
    let tuple = PyTuple::new(py, &objects)?;
    let result = function.and_then(|function| function.call(tuple, Some(&keywords)));
    let changes = changes(arguments, &objects);
    let reply = match result {
        Ok(object) => returned(&object, &objects),
        Err(error) if error.is_instance_of::<PySystemExit>(py) => vec![Value::text("exit")],
        Err(error) => {
            let (name, base, values, message) = describe(driver, &error)?;
            vec![Value::text("raise"), name, base, values, message]
        }
    };
    Ok(Value::Tuple(vec![Value::Tuple(reply), changes]))
}

fn returned(object: &Bound<'_, PyAny>, arguments: &[Bound<'_, PyAny>]) -> Vec<Value> {
    if let Some(place) = arguments.iter().position(|argument| is_mutable(argument) && argument.is(object)) {
        return vec![Value::text("argument"), Value::Int(i64::try_from(place).unwrap_or(-1))];
    }
    match to_value(object) {
        Ok(value) => vec![Value::text("value"), value],
        Err(NotPlain::Type(name)) => vec![Value::text("foreign"), Value::text(&name)],
        Err(NotPlain::TooLarge) => vec![Value::text("large")],
        Err(NotPlain::Failed(error)) if error.is_instance_of::<PyMemoryError>(object.py()) => {
            let name = Value::text("MemoryError");
            vec![Value::text("raise"), name.clone(), name, Value::Tuple(vec![]), Value::text("")]
        }
        Err(NotPlain::Failed(_)) => vec![Value::text("foreign"), Value::text("object")],
    }
}

fn is_mutable(object: &Bound<'_, PyAny>) -> bool {
    use pyo3::types::{PyByteArray, PyList, PySet};
    object.is_exact_instance_of::<PyList>()
        || object.is_exact_instance_of::<PyDict>()
        || object.is_exact_instance_of::<PySet>()
        || object.is_exact_instance_of::<PyByteArray>()
}

/// The arguments that the call has changed in place, by position.
fn changes(before: &[Value], objects: &[Bound<'_, PyAny>]) -> Value {
    let mut changes = Vec::new();
    for (place, (old, object)) in before.iter().zip(objects).enumerate() {
        if is_mutable(object)
            && let Ok(new) = to_value(object)
            && new != *old
        {
            changes.push(Value::Tuple(vec![Value::Int(i64::try_from(place).unwrap_or(-1)), new]));
        }
    }
    Value::List(changes)
}

/// Brings out what the interpreter still holds of what was printed.
pub fn flush(driver: &Driver, py: Python<'_>) {
    for name in ["stdout", "stderr"] {
        // A program may have closed its streams; then there is nothing to bring out.
        drop(driver.get(py, name).and_then(|stream| stream.call_method0("flush")));
    }
}
