//! What the interpreter needs to hear around a clone of its process.
//!
//! Before 3.13 it needs to hear nothing: there is one thread, which holds every lock before and after, and the
//! hooks of modules were kept away. Telling it anyway would cost each copy the memory that the telling touches.
//! From 3.13 on, a copy that it was not told of aborts.

use pyo3::ffi;

/// The first version of the interpreter that wants to hear.
const LISTENING: u32 = 0x030d_0000;

fn listens() -> bool {
    // SAFETY: a constant of the interpreter.
    unsafe { ffi::Py_Version as u32 >= LISTENING }
}

/// Before a clone: takes the import lock and the like.
pub fn before() {
    if listens() {
        // SAFETY: called with the interpreter attached, on its only thread.
        unsafe { ffi::PyOS_BeforeFork() }
    }
}

/// In the old process after a clone.
pub fn after_in_parent() {
    if listens() {
        // SAFETY: as above, after `before`.
        unsafe { ffi::PyOS_AfterFork_Parent() }
    }
}

/// In the new process after a clone.
pub fn after_in_child() {
    if listens() {
        // SAFETY: as above, after `before`; the new process has the one thread that called it.
        unsafe { ffi::PyOS_AfterFork_Child() }
    }
}
