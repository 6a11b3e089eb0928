//! The Python face of the sandbox: values across the border, the supervisor as a class, and the language
//! side of the zygote. Decisions live in `forge-core`.

use pyo3::prelude::*;

mod candidate;
#[allow(unsafe_code)]
mod child;
mod clerk;
mod convert;
mod fair;
mod judge;
mod program;
mod proxy;
mod records;
mod sandbox;
mod shown;
mod zygote;

/// The native part of forge.
#[pymodule(gil_used = true)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<sandbox::Supervisor>()?;
    module.add_class::<sandbox::Batch>()?;
    module.add_function(wrap_pyfunction!(sandbox::outcomes, module)?)?;
    module.add_function(wrap_pyfunction!(sandbox::levels, module)?)?;
    module.add_function(wrap_pyfunction!(sandbox::encode, module)?)?;
    module.add_function(wrap_pyfunction!(sandbox::decode, module)?)?;
    module.add_function(wrap_pyfunction!(zygote::zygote, module)?)?;
    module.add("version", env!("CARGO_PKG_VERSION"))?;
    Ok(())
}
