//! The file-system and scope wall that needs no privilege: Landlock.

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope, path_beneath_rules,
};

use crate::error::{Error, Result};

fn wall(reason: impl std::fmt::Display) -> Error {
    Error::Wall { wall: "file access".to_owned(), reason: reason.to_string() }
}

/// Lets this process and all below it read only `readable`, write only `writable`, reach no network, and
/// signal nothing outside. What an older kernel does not know is left out.
///
/// # Errors
/// The kernel has no Landlock.
pub fn raise(readable: &[PathBuf], writable: &[PathBuf]) -> Result<()> {
    let abi = ABI::V6;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|set| set.handle_access(AccessNet::from_all(abi)))
        .and_then(|set| set.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(|set| set.add_rules(path_beneath_rules(readable, AccessFs::from_read(abi))))
        .and_then(|set| set.add_rules(path_beneath_rules(writable, AccessFs::from_all(abi))))
        .and_then(|set| set.add_rules(path_beneath_rules(["/dev/null"], AccessFs::from_file(abi))))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(wall)?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err(wall("the kernel has no Landlock"));
    }
    Ok(())
}
