//! Finds the binaries and other programs that tests need.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// The folder with the binaries: `ROOKERY_BIN_DIR`, or else the target folder of the running test,
/// where they are built once.
static FOLDER: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::var_os("ROOKERY_BIN_DIR").map_or_else(build, PathBuf::from));

/// Returns the path of the binary with this name.
pub fn path(name: &str) -> PathBuf {
    let program = FOLDER.join(name);
    assert!(
        program.is_file(),
        "{} does not exist; set ROOKERY_BIN_DIR to the folder with the binaries",
        program.display()
    );
    program
}

/// Returns the Python interpreter with the packages that tests need; `tests/run` installs it.
pub fn python() -> PathBuf {
    std::env::var_os("ROOKERY_PYTHON").map_or_else(|| "python3".into(), PathBuf::from)
}

/// Returns the path of libfaketime, which sets the clock of a program; `tests/run` installs it.
pub fn faketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("libraries are in /usr/lib");
    let libraries =
        folders.map(|folder| folder.unwrap().path().join("faketime/libfaketimeMT.so.1"));
    libraries
        .into_iter()
        .find(|file| file.is_file())
        .expect("libfaketime is installed")
}

fn build() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    // Test binaries are in `deps`, other binaries in its parent folder.
    let folder = test
        .parent()
        .and_then(Path::parent)
        .expect("cargo puts tests two folders deep")
        .to_owned();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .args(["build", "--workspace", "--bins"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null());
    if folder.ends_with("release") {
        build.arg("--release");
    }
    let status = build.status().expect("cargo can be started");
    assert!(status.success(), "the binaries could not be built");
    folder
}
