//! Near-duplicates of Python source, broken or not.
//!
//! ```text
//!   bytes --lexer--> tokens --lines--> statements --expression--> meanings --features--> fingerprint, shingles
//!                                                                                            |
//!                                            index: exact bytes, fingerprint, shared shingles, inside a key
//! ```
//!
//! Nothing here executes or parses by a grammar: any bytes are read, in time that grows with their number.
//! Similarity of code alone cannot tell a bug of one token from a harmless edit. So texts are merged inside a
//! key that the caller gives (the problem and what the program did); without one, only if they mean the same.

mod bands;
mod bindings;
pub mod distance;
mod expression;
pub mod features;
pub mod hash;
mod imports;
pub mod index;
pub mod lexer;
mod lines;
mod literals;
pub mod matcher;
mod names;
pub mod parallel;
pub mod saved;
pub mod sets;
pub mod shard;
mod stacks;
mod text;
pub mod tokens;
mod values;
mod words;
