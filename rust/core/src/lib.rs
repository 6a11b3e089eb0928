//! The sandbox of forge.
//!
//! # Theory of operation
//!
//! ```text
//!   caller's process                      one worker of several
//!  +------------------+   exec    +----------+  clone  +--------+  clone   +-----------+
//!  | supervisor thread|---------->| launcher |-------->| zygote |--------->| judge     |
//!  |  queue, timers,  | control   +----------+         | (warm, |          |  tests    |<- report
//!  |  verdicts        |<==============================>| walled)|--------->+-----------+
//!  +------------------+  requests, pidfds, ends        +--------+  clone   | candidate |
//!        ^   ^                                                             |  source   |-> output
//!        |   +---- report of the judge, output of the candidate            +-----------+
//! ```
//!
//! The *supervisor* lives in a thread of the caller's process and never forks: it executes a fresh, small
//! interpreter per worker. That process shuts itself in once (`jail`), becomes the first process of a PID
//! namespace, warms up, and then serves: for each job it clones itself twice. The *candidate* executes the
//! source and answers calls of its functions. The *judge* executes the tests; where they call a function of
//! the source, a proxy sends the arguments over a socket pair and gets a plain value back. Both run in PID
//! namespaces of their own, so that killing them kills all they started.
//!
//! The candidate is hostile. It holds no descriptor but null, its two output pipes and its end of that
//! socket pair; it never sees a test, an expected value, the judge's memory or its process id. All it can do
//! to a verdict is to answer calls with plain values (`value`), which are decoded without executing
//! anything. A pass is concluded by the supervisor (`verdict`), and only from one record of the judge for
//! every test saying that it held; exit codes, printed text and silence prove nothing.
//!
//! Where tests need what cannot be carried, one process runs both, and its records carry a random token that
//! is given to native code only. That is weaker, and every such execution says so.
//!
//! `sys` and `child` are the only modules with `unsafe`; this crate knows no interpreter and reaches the one
//! it runs through the trait [`zygote::Host`].

#![deny(unsafe_code)]
#![cfg_attr(not(target_os = "linux"), allow(unused))]

mod answers;
pub mod behaviour;
mod clerk;
pub mod closeness;
mod commands;
pub mod config;
mod course;
pub mod equality;
pub mod error;
mod integer;
mod launch;
pub mod outcome;
mod outputs;
mod programs;
mod queue;
pub mod report;
mod running;
mod steward;
pub mod supervisor;
pub mod table;
mod talk;
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
