//! The system calls that are refused: a list for all, and a stricter one for each candidate.
//!
//! Deny lists, because a candidate is any Python program; but numbers newer than this file and the x32 face
//! of x86-64 are refused as a whole. A refused call answers `EPERM`, or `ENOSYS` where the C library is to
//! fall back on an older call whose arguments a filter can see.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter, sock_filter,
};

use crate::error::{Error, Result};

/// The newest system call number this file has an opinion on (the tables are common from 424 on).
const NEWEST: u32 = 470;

/// Calls with the same number on every machine, not yet named by the C bindings.
const SETXATTRAT: c_long = 463;
const OPEN_TREE_ATTR: c_long = 467;
const FILE_SETATTR: c_long = 469;
const FCHMODAT2: c_long = 452;
/// Sets persistent attributes of a file.
const FS_IOC_SETFLAGS: u64 = 0x4008_6602;
const FS_IOC_FSSETXATTR: u64 = 0x401c_5820;

/// Ways to have signals sent for one.
const F_SETSIG: i32 = 10;
const F_SETOWN_EX: i32 = 15;
const FIOSETOWN: u64 = 0x8901;
const SIOCSPGRP: u64 = 0x8902;

/// How much of making processes a candidate may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processes {
    /// Any number within the limits: a PID namespace takes them down.
    Contained,
    /// None: nothing would take them down.
    Forbidden,
}

#[cfg(target_arch = "x86_64")]
const ARCH_ONLY: &[c_long] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
    libc::SYS__sysctl,
    libc::SYS_inotify_init,
];
#[cfg(not(target_arch = "x86_64"))]
const ARCH_ONLY: &[c_long] = &[];

/// Refused to everything below the zygote, and to the zygote itself.
const REFUSED: &[c_long] = &[
    // Other processes' memory and descriptors.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    // The view of the file system.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_fanotify_init,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    SETXATTRAT,
    OPEN_TREE_ATTR,
    FILE_SETATTR,
    // Seeing what others do with files.
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    // Namespaces.
    libc::SYS_unshare,
    libc::SYS_setns,
    // Kernel keys, programs, counters, rings: what outlives a process or has a large attack surface.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    libc::SYS_memfd_secret,
    // Memory that no limit of a process counts.
    libc::SYS_memfd_create,
    libc::SYS_vmsplice,
    // Named objects that would reach the next candidate.
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // The network.
    libc::SYS_socket,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    // The machine.
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_nfsservctl,
    libc::SYS_personality,
    libc::SYS_mbind,
    libc::SYS_set_mempolicy,
];

const NAMESPACE_FLAGS: [i32; 8] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_PARENT,
];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Filters compiled once, so that raising them costs one system call.
#[derive(Debug)]
pub struct Filters {
    base: BpfProgram,
}

impl Filters {
    /// Compiles the filter that everything below the zygote inherits.
    ///
    /// # Errors
    /// This processor is not supported.
    pub fn new() -> Result<Self> {
        Ok(Self { base: with_missing(IF_ABOVE, NEWEST, compile(base_rules()?)?) })
    }

    /// Raises the filter that everything below this process inherits.
    ///
    /// # Errors
    /// The kernel refuses filters.
    pub fn raise_base(&self) -> Result<()> {
        apply_filter(&self.base).map_err(wall)
    }
}

/// Stands in a filter for the process id of whoever raises it: no process has so high a number.
const SOMEBODY: u32 = 0x7eee_eeee;

/// A candidate's own filter.
#[derive(Debug)]
pub struct CandidateFilter(BpfProgram);

impl CandidateFilter {
    /// Compiles it.
    ///
    /// # Errors
    /// This processor is not supported.
    pub fn new(processes: Processes) -> Result<Self> {
        match processes {
            Processes::Contained => Ok(Self(contained())),
            Processes::Forbidden => {
                let mut refused = candidate_rules()?;
                refuse_processes(&mut refused, SOMEBODY)?;
                // The flags of `clone3` lie in memory, where a filter cannot see them; `clone` has them in sight.
                let hidden = u32::try_from(libc::SYS_clone3).map_err(wall)?;
                Ok(Self(with_missing(IF_EQUAL, hidden, compile(refused)?)))
            }
        }
    }

    /// Raises it for the process of this id.
    ///
    /// # Errors
    /// The kernel refuses filters.
    pub fn raise(&self, own: u32) -> Result<()> {
        let its = |instruction: &sock_filter| match instruction.k {
            SOMEBODY => sock_filter { k: own, ..*instruction },
            _ => sock_filter { ..*instruction },
        };
        let filter: BpfProgram = self.0.iter().map(its).collect();
        apply_filter(&filter).map_err(wall)
    }
}

fn wall(error: impl std::fmt::Display) -> Error {
    Error::Wall { wall: "system calls".to_owned(), reason: error.to_string() }
}

fn condition(argument: u8, comparison: SeccompCmpOp, value: u64) -> Result<SeccompRule> {
    let condition =
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, comparison, value).map_err(wall)?;
    SeccompRule::new(vec![condition]).map_err(wall)
}

/// Matches a process id that is neither "myself" nor one's own.
fn neither(argument: u8, own: u64) -> Result<SeccompRule> {
    let not = |value| SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value);
    SeccompRule::new(vec![not(0).map_err(wall)?, not(own).map_err(wall)?]).map_err(wall)
}

fn base_rules() -> Result<Rules> {
    let mut rules: Rules = REFUSED.iter().chain(ARCH_ONLY).map(|number| (*number, Vec::new())).collect();
    // A pair of local sockets is harmless (an event loop needs one); any other family is not needed.
    let local = condition(0, SeccompCmpOp::Ne, libc::AF_UNIX as u64)?;
    rules.insert(libc::SYS_socketpair, vec![local]);
    // Pushing characters into a terminal, and marks on files that would outlive a clean-up.
    let requests = [libc::TIOCSTI, FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR]
        .into_iter()
        .map(|request| condition(1, SeccompCmpOp::Eq, request))
        .collect::<Result<Vec<_>>>()?;
    rules.insert(libc::SYS_ioctl, requests);
    Ok(rules)
}

/// The same as `candidate_rules` in a tenth of the instructions: every candidate pays for each of them. The
/// filter above it has looked at the architecture already.
fn contained() -> BpfProgram {
    let flags = NAMESPACE_FLAGS.iter().fold(0, |all, flag| all | flag.cast_unsigned());
    let number = |number: c_long| u32::try_from(number).unwrap_or(u32::MAX);
    let refuse = |error: i32| libc::SECCOMP_RET_ERRNO | error.cast_unsigned();
    let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        instruction(LOAD, 0, 0, NUMBER),
        instruction(IF_EQUAL, 7, 0, number(libc::SYS_clone3)),
        instruction(IF_EQUAL, 2, 0, number(libc::SYS_clone)),
        instruction(IF_EQUAL, 3, 0, number(libc::SYS_prctl)),
        instruction(ANSWER, 0, 0, libc::SECCOMP_RET_ALLOW),
        instruction(LOAD, 0, 0, FIRST_ARGUMENT),
        instruction(IF_ANY, 3, 4, flags),
        instruction(LOAD, 0, 0, FIRST_ARGUMENT),
        instruction(IF_EQUAL, 1, 2, libc::PR_SET_PDEATHSIG.cast_unsigned()),
        instruction(ANSWER, 0, 0, refuse(libc::ENOSYS)),
        instruction(ANSWER, 0, 0, refuse(libc::EPERM)),
        instruction(ANSWER, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

fn candidate_rules() -> Result<Rules> {
    let flags = NAMESPACE_FLAGS
        .iter()
        .map(|flag| {
            let flag = u64::from(flag.cast_unsigned());
            condition(0, SeccompCmpOp::MaskedEq(flag), flag)
        })
        .collect::<Result<Vec<_>>>()?;
    let death = condition(0, SeccompCmpOp::Eq, libc::PR_SET_PDEATHSIG as u64)?;
    Ok([(libc::SYS_clone, flags), (libc::SYS_prctl, vec![death])].into())
}

fn refuse_processes(rules: &mut Rules, own: u32) -> Result<()> {
    let thread = libc::CLONE_THREAD as u64;
    let not_a_thread = condition(0, SeccompCmpOp::MaskedEq(thread), 0)?;
    rules.entry(libc::SYS_clone).or_default().push(not_a_thread);
    let own = u64::from(own);
    for number in [libc::SYS_kill, libc::SYS_tgkill] {
        rules.insert(number, vec![condition(0, SeccompCmpOp::Ne, own)?]);
    }
    for number in [libc::SYS_prlimit64, libc::SYS_sched_setaffinity] {
        rules.insert(number, vec![neither(0, own)?]);
    }
    // A descriptor can be told to signal a process when it stirs.
    let owners = [libc::F_SETOWN, F_SETSIG, F_SETOWN_EX];
    let owners = owners.map(|request| condition(1, SeccompCmpOp::Eq, u64::from(request.cast_unsigned())));
    rules.insert(libc::SYS_fcntl, owners.into_iter().collect::<Result<_>>()?);
    let owners = [FIOSETOWN, SIOCSPGRP].map(|request| condition(1, SeccompCmpOp::Eq, request));
    rules.insert(libc::SYS_ioctl, owners.into_iter().collect::<Result<_>>()?);
    let mut others = vec![
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_setsid,
        libc::SYS_setpgid,
        libc::SYS_tkill,
        libc::SYS_pidfd_open,
        libc::SYS_pidfd_send_signal,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_rt_tgsigqueueinfo,
        libc::SYS_setpriority,
        libc::SYS_ioprio_set,
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setattr,
        // Landlock does not keep its owner from changing what a file is, only what is in it.
        libc::SYS_fchmod,
        libc::SYS_fchmodat,
        FCHMODAT2,
        libc::SYS_fchown,
        libc::SYS_fchownat,
        libc::SYS_utimensat,
    ];
    #[cfg(target_arch = "x86_64")]
    others.extend([
        libc::SYS_fork,
        libc::SYS_vfork,
        libc::SYS_chmod,
        libc::SYS_chown,
        libc::SYS_lchown,
        libc::SYS_utime,
        libc::SYS_utimes,
        libc::SYS_futimesat,
    ]);
    for number in others {
        rules.insert(number, Vec::new());
    }
    Ok(())
}

fn compile(rules: Rules) -> Result<BpfProgram> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(wall)?;
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).and_then(BpfProgram::try_from).map_err(wall)
}

/// What an instruction of a filter does: load a word of what is known of the call, compare it with a constant
/// and jump, answer.
const LOAD: u16 = 0x20;
const IF_EQUAL: u16 = 0x15;
const IF_ABOVE: u16 = 0x25;
const IF_ANY: u16 = 0x45;
const ANSWER: u16 = 0x06;
/// Where the call's number lies in what is known of it, and the low half of its first argument.
const NUMBER: u32 = 0;
const FIRST_ARGUMENT: u32 = if cfg!(target_endian = "little") { 16 } else { 20 };

/// Puts in front of a filter: calls whose number compares so are answered as if they did not exist.
fn with_missing(comparison: u16, number: u32, filter: BpfProgram) -> BpfProgram {
    let instruction = |code, jf, k| sock_filter { code, jt: 0, jf, k };
    let answer = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();
    [instruction(LOAD, 0, NUMBER), instruction(comparison, 1, number), instruction(ANSWER, 0, answer)]
        .into_iter()
        .chain(filter)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{CandidateFilter, Filters, Processes};

    #[test]
    fn the_filters_compile_and_fit() {
        assert!(Filters::new().is_ok_and(|filters| filters.base.len() < 4096));
        assert!(CandidateFilter::new(Processes::Contained).is_ok());
        assert!(CandidateFilter::new(Processes::Forbidden).is_ok());
    }
}
