//! `process.sandbox`: the process gives up, for good, access to files, programs and ports that it
//! does not need, so that a fault in it is worth less to an attacker. The kernel enforces this
//! (Landlock, landlock(7)).
//!
//! What stays allowed is listed here and in the comment of the key in `config.toml`. Paths are
//! those of the config at the start: a reload that names files elsewhere fails.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, NetPort, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use rookery_base::config::{Config, Loaded, MailTransport};
use rookery_base::files;

use crate::config_check::check_files;

/// The newest version of the interface that is used. An older kernel restricts what it can.
const INTERFACE: ABI = ABI::V6;

/// Files and folders of the system that libraries read: how to resolve names, which authorities to
/// trust, the time zone, shared libraries that resolving loads, and figures about the process.
const SYSTEM: &[&str] = &[
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/pki",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl",
    "/lib",
    "/lib64",
    "/proc/self",
    "/run/systemd/resolve",
    "/sys/fs/cgroup",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/share/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/share/zoneinfo",
];
/// Where SQLite sorts what does not fit into memory.
const TEMPORARY: &[&str] = &["/tmp", "/var/tmp"];
const DEVICES: &[&str] = &["/dev/null", "/dev/random", "/dev/urandom"];

/// Restricts this thread, and those that it starts from now on.
pub fn enter(loaded: &Loaded) -> Result<()> {
    let status = restrict(loaded).context("process.sandbox")?;
    ensure!(
        status != RulesetStatus::NotEnforced,
        "process.sandbox: this kernel does not support Landlock; set it to false"
    );
    if status == RulesetStatus::PartiallyEnforced {
        tracing::warn!("process.sandbox: this kernel is too old to enforce all of it");
    }
    Ok(())
}

fn restrict(Loaded { config, file, .. }: &Loaded) -> Result<RulesetStatus> {
    let readable = readable(config, file.as_deref());
    let writable = writable(config);
    // What a first start creates has to exist to be allowed.
    check_files(config)?;
    for folder in &writable {
        create(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let read = AccessFs::from_read(INTERFACE) & !AccessFs::Execute;
    let write = AccessFs::from_all(INTERFACE) & !AccessFs::Execute;
    let ports = ports(config)
        .into_iter()
        .map(|port| Ok::<_, RulesetError>(NetPort::new(port, AccessNet::BindTcp)));
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(INTERFACE))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::from_all(INTERFACE))?
        .create()?
        .add_rules(path_beneath_rules(&readable, read))?
        .add_rules(path_beneath_rules(DEVICES, write))?
        .add_rules(path_beneath_rules(&writable, write))?
        .add_rules(ports)?;
    Ok(ruleset.restrict_self()?.ruleset)
}

/// Creates a folder, private as the store and the mail transport would create it.
fn create(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Returns the files and folders that the process may read, as far as they exist.
fn readable(config: &Config, config_file: Option<&Path>) -> Vec<PathBuf> {
    let of_config = [
        config_file.map(files::folder_of),
        Some(files::folder_of(&config.tls.private_key)),
        config.admin.client_ca.as_deref().map(files::folder_of),
        config
            .mail
            .smtp
            .password_file
            .as_deref()
            .map(files::folder_of),
        config.mail.smtp.ca.as_deref().map(files::folder_of),
    ];
    let system = SYSTEM.iter().copied().map(Path::new);
    of_config
        .into_iter()
        .flatten()
        .chain(system)
        .filter(|path| path.exists())
        .map(Path::to_owned)
        .collect()
}

/// Returns the folders in which the process may do everything but run programs.
fn writable(config: &Config) -> Vec<PathBuf> {
    let of_config = [
        Some(config.data.directory.as_path()),
        (config.mail.transport == MailTransport::Directory)
            .then_some(config.mail.directory.as_path()),
        // Certificates are renewed.
        Some(files::folder_of(&config.tls.certificate)),
    ];
    let temporary = TEMPORARY.iter().copied().map(Path::new);
    of_config
        .into_iter()
        .flatten()
        .chain(temporary)
        .map(Path::to_owned)
        .collect()
}

/// Returns the ports that the process may listen on.
fn ports(config: &Config) -> Vec<u16> {
    let addresses = [
        Some(config.chat.listen),
        Some(config.admin.listen),
        config.metrics.listen,
        config.websocket.listen,
    ];
    addresses
        .into_iter()
        .flatten()
        .map(|address| address.port())
        .collect()
}
