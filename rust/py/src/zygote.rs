//! The language side of the zygote: warming an interpreter, and playing the two roles in its copies.

use std::ffi::CString;

use forge_core::config::Role;
use forge_core::sys;
use forge_core::wire::Channel;
use forge_core::zygote::{Duty, Host, Stock};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::{candidate, child, clerk, judge, program};

const DRIVER: [&str; 2] = [include_str!("driver.py"), include_str!("program.py")];

/// The functions of `driver.py` and of the interpreter that the roles need, taken before any candidate ran.
pub struct Driver {
    namespace: Py<PyDict>,
}

impl Driver {
    /// Another handle of the same functions.
    pub fn again(&self, py: Python<'_>) -> PyResult<Self> {
        Ok(Self { namespace: self.namespace.clone_ref(py) })
    }

    /// A function of the driver or of the interpreter.
    pub fn get<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.namespace.bind(py).as_any().get_item(name)
    }
}

struct Interpreter<'py> {
    py: Python<'py>,
    driver: Option<Driver>,
}

impl Host for Interpreter<'_> {
    fn warm(&mut self, stock: &Stock) -> Result<(), String> {
        let warmed = || -> PyResult<Driver> {
            let namespace = PyDict::new(self.py);
            for source in DRIVER {
                self.py.run(&CString::new(source)?, Some(&namespace), None)?;
            }
            let paths: Vec<_> = stock.paths.iter().map(|path| path.as_os_str()).collect();
            namespace.as_any().get_item("warm")?.call1((stock.wide, &stock.modules, paths))?;
            // A copy: a program that finds the globals of one of these functions changes nothing here.
            let driver = Driver { namespace: namespace.copy()?.unbind() };
            judge::warm(self.py, &driver)?;
            driver.get(self.py, "settle")?.call0()?;
            Ok(driver)
        };
        self.driver = Some(warmed().map_err(|error| error.to_string())?);
        Ok(())
    }

    fn before_clone(&mut self) {
        child::before();
    }

    fn after_clone_in_parent(&mut self) {
        child::after_in_parent();
    }

    fn after_clone_in_child(&mut self) {
        child::after_in_child();
    }

    fn play(&mut self, duty: Duty, channel: Channel) -> i32 {
        let (py, Some(driver)) = (self.py, &self.driver) else {
            return 1;
        };
        if duty.ahead {
            // What fails here will be seen when it is needed.
            drop(driver.get(py, "stretch").and_then(|stretch| stretch.call0()));
        }
        match duty.role {
            Role::Candidate => candidate::serve(py, driver, channel, duty.counted),
            Role::Judge => judge::serve(py, driver, channel),
            Role::Shared => judge::share(py, driver, channel, duty.counted),
            Role::Clerk => clerk::serve(py, driver, channel),
            Role::Program => program::serve(py, driver, channel, duty.counted),
            // Has a steward, who needs no interpreter.
            Role::Command => 1,
        }
    }
}

/// Turns this interpreter into a zygote that obeys the supervisor behind descriptor 0. Never returns.
#[pyfunction]
pub fn zygote(py: Python<'_>) -> PyResult<()> {
    let control = sys::adopt(0).try_clone()?;
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    // Descriptors 0 and 1 become null, 2 stays what it is, 3 is the supervisor's.
    let complaints = sys::adopt(2).try_clone()?;
    let fds = [&null.into(), &sys::adopt(1).try_clone()?, &complaints, &control];
    sys::install_fds(&fds.map(std::os::fd::AsFd::as_fd))?;
    let mut interpreter = Interpreter { py, driver: None };
    forge_core::zygote::run(sys::adopt(3), &mut interpreter)
}
