//! The clerk's role: compile sources, or look at tests. Nothing of either is executed here.

use forge_core::value::Value;
use forge_core::wire::Channel;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::convert::{text, to_object, to_value};
use crate::zygote::Driver;

/// The functions that look at tests, each with its sources.
const TABULATE: (&str, &[&str]) = ("tabulate", &[include_str!("constants.py"), include_str!("clerk.py")]);
const PREPARE: (&str, &[&str]) =
    ("prepare", &[concat!("SUITE = r'''", include_str!("suite.py"), "'''\n"), include_str!("prepare.py")]);

/// Answers the supervisor until it goes away; returns the exit code.
pub fn serve(py: Python<'_>, driver: &Driver, mut supervisor: Channel) -> i32 {
    let (mut tabulate, mut prepare) = (None, None);
    while let Ok((Value::Tuple(mut question), _)) = supervisor.receive() {
        let number = question.pop().unwrap_or(Value::None);
        let answer = match question.as_slice() {
            [kind, Value::Str(source)] if *kind == Value::text("compile") => compile(py, driver, source),
            [kind, setup, tests, probes, _] if *kind == Value::text("prepare") => {
                prepared(py, driver, &mut prepare, &[setup, tests, probes])
            }
            [kind, setup, tests, probes, entry] if *kind == Value::text("tabulate") => {
                look(py, driver, &mut tabulate, TABULATE, &[setup, tests, probes, entry])
            }
            _ => return 1,
        };
        if supervisor.send(&Value::Tuple(vec![number, answer.unwrap_or(Value::None)])).is_err() {
            return 0;
        }
    }
    0
}

fn compile(py: Python<'_>, driver: &Driver, source: &[u8]) -> PyResult<Value> {
    let answer = driver.get(py, "compile_source")?.call1((text(py, source)?,))?;
    Ok(to_value(&answer).unwrap_or(Value::None))
}

/// Tests as code, whether their process may be used again, and whether they need a wide zygote.
fn prepared<'py>(
    py: Python<'py>,
    driver: &Driver,
    loaded: &mut Option<Bound<'py, PyAny>>,
    tests: &[&Value; 3],
) -> PyResult<Value> {
    let code = look(py, driver, loaded, PREPARE, tests)?;
    let mut wide = false;
    let texts =
        [tests[0]].into_iter().chain(tests[1..].iter().flat_map(|all| all.items().unwrap_or_default()));
    for text in texts {
        wide |= driver.get(py, "needs_wide")?.call1((to_object(py, text)?,))?.extract::<bool>()?;
    }
    match code {
        Value::Tuple(mut parts) => {
            parts.push(Value::Bool(wide));
            Ok(Value::Tuple(parts))
        }
        other => Ok(other),
    }
}

/// What a function that looks at tests makes of them. It is loaded when first needed.
fn look<'py>(
    py: Python<'py>,
    driver: &Driver,
    loaded: &mut Option<Bound<'py, PyAny>>,
    (name, sources): (&str, &[&str]),
    tests: &[&Value],
) -> PyResult<Value> {
    let function = match loaded {
        Some(function) => function,
        None => {
            let names = driver.get(py, "new_module")?.call1(("clerk",))?;
            for source in sources {
                driver.get(py, "execute")?.call1((source, &names))?;
            }
            loaded.insert(names.get_item(name)?)
        }
    };
    let texts = tests.iter().map(|value| to_object(py, value)).collect::<PyResult<Vec<_>>>()?;
    let answer = function.call1(PyTuple::new(py, texts)?)?;
    Ok(to_value(&answer).unwrap_or(Value::None))
}
