//! Keeps the memory of the process, the password in it, from being written down anywhere.

/// No core dump, whoever collects them; in a release, no other process of the same user may read the memory either.
pub fn keep_memory_private() {
    // What the system refuses is no reason to do without the daemon: the password is then as safe as in any other program.
    let _ = rlimit::setrlimit(rlimit::Resource::CORE, 0, 0);
    // A handler of the system's own (`core_pattern` with a pipe) does not ask that limit. A debug build is left to debuggers.
    if !cfg!(debug_assertions) {
        let _ = nix::sys::prctl::set_dumpable(false);
    }
}
