//! The candidate's role: execute a source, then answer calls of its functions with plain values.
//!
//! Everything here may be attacked by the source: it shares the process. Nothing here is trusted by anyone.

use forge_core::sys;
use forge_core::value::Value;
use forge_core::wire::Channel;
use pyo3::exceptions::{PyMemoryError, PyNameError, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::convert::{NotPlain, text, to_object, to_value};
use crate::fair::plain;
use crate::zygote::Driver;

const LEFT: i32 = 3;

/// Serves whoever is behind the channel until it goes away; returns the exit code. `counted` as in `Duty`.
pub fn serve(py: Python<'_>, driver: &Driver, mut channel: Channel, counted: bool) -> i32 {
    match live(py, driver, &mut channel, counted) {
        Ok(()) => 0,
        Err(_) => LEFT,
    }
}

fn live(py: Python<'_>, driver: &Driver, channel: &mut Channel, counted: bool) -> PyResult<()> {
    let Some(Value::Tuple(first)) = receive(py, channel) else {
        return Ok(());
    };
    let [_, Value::Int(processes), program, rest @ ..] = first.as_slice() else {
        return Ok(());
    };
    // Where an instance of a subclass cannot be judged as such, it goes for the plain value it holds.
    limit_processes(counted, *processes)?;
    let names = driver.get(py, "new_module")?.call1(("candidate",))?.cast_into::<PyDict>()?;
    let loaded = load(driver, &names, program);
    let reply = match (&loaded, rest) {
        (Ok(()), []) => defined(driver, &names)?,
        (Ok(()), [wanted, ..]) => found(driver, &names, wanted)?,
        (Err(error), _) => refused(driver, error)?,
    };
    flush(driver, py);
    send(py, channel, &reply)?;
    if loaded.is_err() {
        return Ok(());
    }
    if let [_, Value::List(calls)] = rest {
        for call in calls {
            if !respond(driver, &names, channel, call, true)? {
                break;
            }
        }
        return Ok(());
    }
    while let Some(call) = receive(py, channel) {
        if !respond(driver, &names, channel, &call, false)? {
            break;
        }
    }
    Ok(())
}

/// Answers one call; false if it is none. `tabled` if the answer is only compared with plain values.
fn respond(
    driver: &Driver,
    names: &Bound<'_, PyDict>,
    channel: &mut Channel,
    call: &Value,
    tabled: bool,
) -> PyResult<bool> {
    let Some([Value::Str(name), Value::Tuple(arguments), Value::Dict(named)]) = call.items() else {
        return Ok(false);
    };
    let py = names.py();
    let reply = answer(driver, names, name, arguments, named, tabled)?;
    flush(driver, py);
    send(py, channel, &reply)?;
    Ok(true)
}

/// Bounds the number of processes, if only the worker's are counted.
pub fn limit_processes(counted: bool, processes: i64) -> PyResult<()> {
    if counted {
        sys::set_limit(sys::PROCESSES, processes.cast_unsigned())?;
    }
    Ok(())
}

/// The next message; none if nobody is there any more.
pub fn receive(py: Python<'_>, judge: &mut Channel) -> Option<Value> {
    py.detach(|| judge.receive()).ok().map(|(value, _)| value)
}

fn send(py: Python<'_>, judge: &mut Channel, reply: &Value) -> PyResult<()> {
    py.detach(|| judge.send(reply)).map_err(|error| PySystemExit::new_err(error.to_string()))
}

/// Executes a source, which may have been compiled already.
pub fn load(driver: &Driver, names: &Bound<'_, PyDict>, program: &Value) -> PyResult<()> {
    let py = names.py();
    let code = program_code(py, driver, program)?;
    driver.get(py, "execute")?.call1((code, names)).map(drop)
}

/// The code of a program that came as one or as a source.
pub fn program_code<'py>(py: Python<'py>, driver: &Driver, program: &Value) -> PyResult<Bound<'py, PyAny>> {
    match program {
        Value::Bytes(code) => driver.get(py, "load_code")?.call1((PyBytes::new(py, code),)),
        Value::Str(source) => driver.get(py, "compile_program")?.call1((text(py, source)?,)),
        _ => Err(PySystemExit::new_err("no program")),
    }
}

/// What a loaded source offers: names of functions, of modules, of all else.
pub fn defined(driver: &Driver, names: &Bound<'_, PyDict>) -> PyResult<Value> {
    let found = driver.get(names.py(), "classify")?.call1((names,))?;
    let found = to_value(&found).unwrap_or(Value::None);
    Ok(Value::Tuple(vec![Value::text("loaded"), found]))
}

/// What a loaded source has under each of the wanted names.
fn found(driver: &Driver, names: &Bound<'_, PyDict>, wanted: &Value) -> PyResult<Value> {
    let py = names.py();
    let kinds = driver.get(py, "kinds")?.call1((names, to_object(py, wanted)?))?;
    let kinds = to_value(&kinds).unwrap_or(Value::None);
    Ok(Value::Tuple(vec![Value::text("loaded"), kinds]))
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
    tabled: bool,
) -> PyResult<Value> {
    let py = names.py();
    let objects = arguments.iter().map(|value| to_object(py, value)).collect::<PyResult<Vec<_>>>()?;
    let keywords = PyDict::new(py);
    for (key, value) in named {
        keywords.set_item(to_object(py, key)?, to_object(py, value)?)?;
    }
    let key = text(py, name)?;
    let missing = || PyNameError::new_err(format!("name '{key}' is not defined"));
    let function = names.get_item(&key).and_then(|function| function.ok_or_else(missing));
    let tuple = PyTuple::new(py, &objects)?;
    let result = function.and_then(|function| function.call(tuple, Some(&keywords)));
    let changes = changes(arguments, &objects);
    let reply = match result {
        Ok(object) => returned(driver, &object, &objects, tabled),
        Err(error) if error.is_instance_of::<PySystemExit>(py) => vec![Value::text("exit")],
        Err(error) => {
            let (name, base, values, message) = describe(driver, &error)?;
            vec![Value::text("raise"), name, base, values, message]
        }
    };
    Ok(Value::Tuple(vec![Value::Tuple(reply), changes]))
}

fn returned(
    driver: &Driver,
    object: &Bound<'_, PyAny>,
    arguments: &[Bound<'_, PyAny>],
    tabled: bool,
) -> Vec<Value> {
    if let Some(place) = arguments.iter().position(|argument| is_mutable(argument) && argument.is(object)) {
        return vec![Value::text("argument"), Value::Int(i64::try_from(place).unwrap_or(-1))];
    }
    match to_value(object) {
        Ok(value) => vec![Value::text("value"), value],
        Err(NotPlain::Type(name)) => match tabled.then(|| like(driver, object)).flatten() {
            Some([value, equal, near]) => {
                vec![Value::text("like"), Value::text(&name), value, equal, near]
            }
            None if tabled => match object.is_truthy() {
                Ok(truth) => vec![Value::text("foreign"), Value::text(&name), Value::Bool(truth)],
                Err(_) => vec![Value::text("foreign"), Value::text("object"), Value::Bool(true)],
            },
            None => vec![Value::text("foreign"), Value::text(&name)],
        },
        Err(NotPlain::TooLarge) => vec![Value::text("large")],
        Err(NotPlain::Failed(error)) if error.is_instance_of::<PyMemoryError>(object.py()) => {
            let name = Value::text("MemoryError");
            vec![Value::text("raise"), name.clone(), name, Value::Tuple(vec![]), Value::text("")]
        }
        Err(NotPlain::Failed(_)) if tabled => {
            vec![Value::text("foreign"), Value::text("object"), Value::Bool(true)]
        }
        Err(NotPlain::Failed(_)) => vec![Value::text("foreign"), Value::text("object")],
    }
}

/// A plain value for an object which is not plain: whether the two are equal, and whether they are as far from
/// any number.
fn like(driver: &Driver, object: &Bound<'_, PyAny>) -> Option<[Value; 3]> {
    if let Ok(Some(value)) = plain(object) {
        return Some([to_value(&value).ok()?, Value::Bool(true), Value::Bool(true)]);
    }
    if let Ok(value) = driver.get(object.py(), "unboxed").and_then(|unboxed| unboxed.call1((object,)))
        && let Ok(value) = to_value(&value)
    {
        return Some([value, Value::Bool(true), Value::Bool(true)]);
    }
    let is_a = |module: &str, name: &str| {
        let modules = object.py().import("sys").ok()?.getattr("modules").ok()?;
        Some(object.get_type().is(&modules.get_item(module).ok()?.getattr(name).ok()?))
    };
    let fraction = is_a("fractions", "Fraction") == Some(true);
    if !fraction && is_a("decimal", "Decimal") != Some(true) {
        return None;
    }
    let number = object.call_method0("__float__").ok()?;
    let equal = object.eq(&number).ok()?;
    Some([to_value(&number).ok()?, Value::Bool(equal), Value::Bool(fraction)])
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
