//! The Python face of the native part: values across the border, the supervisor and the index of
//! near-duplicates as classes, and the language side of the zygote. Decisions live in `forge-core`.

use pyo3::prelude::*;

mod candidate;
#[allow(unsafe_code)]
mod child;
mod clerk;
mod convert;
mod dedup;
mod fair;
mod judge;
mod program;
mod proxy;
mod records;
mod sandbox;
mod shown;
mod zygote;

/// How many processors this process may use, where a quota of its control group says so a part of them.
#[pyfunction]
fn processors() -> usize {
    forge_core::dedup::parallel::processors()
}

/// The native part of forge.
#[pymodule(gil_used = true)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<sandbox::Supervisor>()?;
    module.add_class::<sandbox::Batch>()?;
    module.add_class::<dedup::Index>()?;
    module.add_class::<dedup::Matcher>()?;
    module.add_function(wrap_pyfunction!(sandbox::outcomes, module)?)?;
    module.add_function(wrap_pyfunction!(sandbox::levels, module)?)?;
    module.add_function(wrap_pyfunction!(sandbox::encode, module)?)?;
    module.add_function(wrap_pyfunction!(sandbox::decode, module)?)?;
    module.add_function(wrap_pyfunction!(dedup::fingerprint, module)?)?;
    module.add_function(wrap_pyfunction!(dedup::similarity, module)?)?;
    module.add_function(wrap_pyfunction!(dedup::containment, module)?)?;
    module.add_function(wrap_pyfunction!(dedup::distance, module)?)?;
    module.add_function(wrap_pyfunction!(dedup::nearest, module)?)?;
    module.add_function(wrap_pyfunction!(dedup::tokens, module)?)?;
    module.add_function(wrap_pyfunction!(processors, module)?)?;
    module.add_function(wrap_pyfunction!(zygote::zygote, module)?)?;
    module.add("version", env!("CARGO_PKG_VERSION"))?;
    Ok(())
}
