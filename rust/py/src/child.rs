//! What the interpreter needs to hear around a clone of its process.

use pyo3::ffi;

/// Before a clone: takes the import lock and the like.
pub fn before() {
    // SAFETY: called with the interpreter attached, on its only thread.
    unsafe { ffi::PyOS_BeforeFork() }
}

/// In the old process after a clone.
pub fn after_in_parent() {
    // SAFETY: as above, after `before`.
    unsafe { ffi::PyOS_AfterFork_Parent() }
}

/// In the new process after a clone.
pub fn after_in_child() {
    // SAFETY: as above, after `before`; the new process has the one thread that called it.
    unsafe { ffi::PyOS_AfterFork_Child() }
}
