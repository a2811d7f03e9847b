//! Where the binaries are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// The folder named by `ROOKERY_BIN_DIR`; without it they are built, once, beside the test that
/// runs.
static FOLDER: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::var_os("ROOKERY_BIN_DIR").map_or_else(build, PathBuf::from));

/// The binary of that name.
pub fn path(name: &str) -> PathBuf {
    let program = FOLDER.join(name);
    assert!(
        program.is_file(),
        "{} is not there; ROOKERY_BIN_DIR names the folder",
        program.display()
    );
    program
}

/// The Python that has what tests need; `tests/run` makes it.
pub fn python() -> PathBuf {
    std::env::var_os("ROOKERY_PYTHON").map_or_else(|| "python3".into(), PathBuf::from)
}

/// The library that sets a program's clock (Debian's `libfaketime`); `tests/run` installs it.
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
    // Tests lie in `deps`, the binaries in the folder above.
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
