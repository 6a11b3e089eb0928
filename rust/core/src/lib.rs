//! The native part of forge: the sandbox, described below, and near-duplicates of code ([`dedup`]).
//!
//! # Theory of operation
//!
//! ```text
//!   caller's process                        one worker of several
//!  +-------------------+   exec    +----------+ clone +--------+ clone  +-----------+
//!  | worker's thread   |---------->| launcher |------>| zygote |------->| clerks    | compile, look at tests
//!  |  takes jobs,      |  control  +----------+       | (warm, |        +-----------+
//!  |  keeps the time,  |<============================>| walled)|------->| judge     | runs tests
//!  |  compares answers,|  requests, pidfds, ends      +--------+        +-----------+
//!  |  draws conclusions|<====== one stream to each of these ===========>| candidate | runs the source
//!  +-------------------+                                                +-----------+
//! ```
//!
//! A *worker* is a thread of the caller's process (`worker`); it never forks: it executes a fresh, small
//! interpreter (`launch`). That process shuts itself in once (`jail`), becomes the first process of a PID
//! namespace, warms up, and from then on clones itself whenever it is asked to (`zygote`). The copies are of
//! four kinds: *clerks* compile sources and look at tests, and execute neither; the *candidate* executes a
//! source and answers calls of its functions; a *judge* executes tests that are more than a table of calls, for
//! one candidate after another, with proxies in place of the source's functions. All live in PID namespaces of
//! their own, so that killing them kills all they started. `team` keeps them ready, `course` takes a job
//! through them.
//!
//! The candidate is hostile. It holds no descriptor but null, its two output pipes and one end of a socket
//! pair; it never sees a test, an expected value, or another process. All it can do to a verdict is to answer
//! calls with plain values (`value`), which are decoded without executing anything, and compared with what is
//! expected in this process (`table`, `equality`) or in the judge's. A pass is concluded in one place
//! (`verdict`), from what was said (`report`), and only if every test is known to hold; exit codes, printed
//! text and silence prove nothing.
//!
//! Where tests need what cannot be carried, one process runs both, and its records carry a random token that
//! is given to native code only. That is weaker, and every such execution says so.
//!
//! `sys` and `child` are the only modules with `unsafe`; this crate knows no interpreter and reaches the one
//! it runs through the trait [`zygote::Host`].

#![deny(unsafe_code)]

#[cfg(not(target_os = "linux"))]
compile_error!(
    "the sandbox knows the walls of Linux only: build forge on Linux, or in a Linux virtual machine"
);

mod ahead;
mod answers;
pub mod behaviour;
mod clerk;
pub mod closeness;
mod commands;
pub mod config;
mod course;
pub mod dedup;
pub mod equality;
pub mod error;
mod integer;
mod launch;
pub mod outcome;
mod outputs;
mod posts;
mod programs;
mod queue;
pub mod report;
mod running;
pub mod shorten;
mod steward;
pub mod supervisor;
pub mod table;
mod talk;
mod team;
pub mod text;
pub mod value;
pub mod verdict;
pub mod wire;
pub mod work;
mod worker;
pub mod zygote;

#[allow(unsafe_code)]
pub mod child;
mod jail;
mod landlock;
mod root;
mod scratch;
mod seccomp;
#[allow(unsafe_code)]
pub mod sys;
