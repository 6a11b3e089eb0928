//! A whole program: a source is executed as `__main__`, for its standard input and output and nothing else.

use forge_core::value::Value;
use forge_core::wire::Channel;
use pyo3::prelude::*;

use crate::candidate::{limit_processes, program_code, receive};
use crate::convert::to_value;
use crate::zygote::Driver;

/// The exit code where there is no program to run.
const NOTHING: i32 = 70;

/// Runs one program; returns its exit status. `counted` as in `Duty`.
pub fn serve(py: Python<'_>, driver: &Driver, mut channel: Channel, counted: bool) -> i32 {
    live(py, driver, &mut channel, counted).unwrap_or(NOTHING)
}

fn live(py: Python<'_>, driver: &Driver, channel: &mut Channel, counted: bool) -> PyResult<i32> {
    let Some(Value::Tuple(parts)) = receive(py, channel) else {
        return Ok(NOTHING);
    };
    let [Value::Int(processes), program] = parts.as_slice() else {
        return Ok(NOTHING);
    };
    limit_processes(counted, *processes)?;
    let ended = match program_code(py, driver, program) {
        Ok(code) => driver.get(py, "run_program")?.call1((code,))?,
        Err(error) => driver.get(py, "unhandled")?.call1((error.value(py),))?,
    };
    let (status, said): (i32, Bound<'_, PyAny>) = ended.extract()?;
    if let Ok(said @ Value::Tuple(_)) = to_value(&said) {
        // Feedback: nobody has to hear it.
        drop(channel.send(&said));
    }
    Ok(status)
}
