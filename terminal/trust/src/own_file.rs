//! Files that no other user of the machine can have written.
//!
//! A program that trusts a file which nobody has named, because of the folder that it is run in,
//! would otherwise trust everyone who can make such a folder.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

const ROOT: u32 = 0;
/// The bits of a mode with the type of the file, and two of the types.
const TYPE: u32 = 0o170_000;
const FOLDER: u32 = 0o040_000;
const LINK: u32 = 0o120_000;
/// The bits of a mode with which the group, and everyone else, may write.
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
/// The bit of a folder in which users may rename and delete only what they own.
const STICKY: u32 = 0o1000;
/// The most symbolic links on a path that are followed, as in Linux.
const MAX_LINKS: usize = 40;

/// Why a file is not opened.
#[derive(Debug, thiserror::Error)]
pub enum NotOwn {
    /// The file, a folder above it or a symbolic link on its path belongs to another user.
    #[error(
        "{} belongs to user {owner}, and this program is run by user {user}",
        .path.display()
    )]
    Foreign {
        /// What belongs to the other user.
        path: PathBuf,
        /// The number of its owner.
        owner: u32,
        /// The number of the user who runs the program.
        user: u32,
    },
    /// Everyone may change the file, or what is in the folder.
    #[error("every user of this machine may write to {}", .0.display())]
    WritableByAll(PathBuf),
    /// The members of a group (its number) may do so.
    #[error("group {group} may write to {}", .0.display(), group = .1)]
    WritableByGroup(PathBuf, u32),
    /// It is a folder, a pipe or the like.
    #[error("{} is not a file", .0.display())]
    NotAFile(PathBuf),
    /// It is missing, or the user may not read it.
    #[error("{} cannot be read: {}", .0.display(), .1)]
    Unreadable(PathBuf, io::Error),
}

/// Opens a file for reading, if it and each folder above it belong to the user who runs the program
/// or to root, and nobody else may write to them.
///
/// Symbolic links are followed if they, and the folders that they are in, fulfil the same. A group
/// may write if its number is the user's, since it is then the user's own. Others may write to a
/// sticky folder such as `/tmp`, where they can neither rename nor delete what is not theirs.
pub fn open_own(file: &Path) -> Result<File, NotOwn> {
    open_for(rustix::process::geteuid().as_raw(), file)
}

fn open_for(user: u32, file: &Path) -> Result<File, NotOwn> {
    let path = follow(user, file)?;
    // From here on, nobody else can put another file in its place. Opening a pipe does not wait.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(&path, flags, Mode::empty())
        .map(File::from)
        .map_err(|error| NotOwn::Unreadable(path.clone(), error.into()))?;
    let metadata = opened
        .metadata()
        .map_err(|error| NotOwn::Unreadable(path.clone(), error))?;
    if !metadata.is_file() {
        return Err(NotOwn::NotAFile(path));
    }
    Permissions::of(&metadata).check(&path, user)?;
    Ok(opened)
}

/// Returns the path without symbolic links, after a check of everything on it. It begins at the
/// root, so nobody else can change an entry that was checked: the folder that it is in was, too.
fn follow(user: u32, file: &Path) -> Result<PathBuf, NotOwn> {
    let absolute =
        std::path::absolute(file).map_err(|error| NotOwn::Unreadable(file.to_owned(), error))?;
    let mut followed = PathBuf::new();
    let mut links = 0;
    let mut rest = reversed_components(&absolute);
    while let Some(component) = rest.pop() {
        if component == "." {
            continue;
        }
        if component == ".." {
            followed.pop();
            continue;
        }
        // The root takes the place of what is before it.
        let next = followed.join(component);
        let failed = |error| NotOwn::Unreadable(next.clone(), error);
        let metadata = next.symlink_metadata().map_err(failed)?;
        Permissions::of(&metadata).check(&next, user)?;
        if metadata.is_symlink() {
            links += 1;
            if links > MAX_LINKS {
                return Err(failed(Errno::LOOP.into()));
            }
            rest.extend(reversed_components(&next.read_link().map_err(failed)?));
        } else {
            followed = next;
        }
    }
    Ok(followed)
}

fn reversed_components(path: &Path) -> Vec<OsString> {
    let components = path.components().rev();
    components.map(|one| one.as_os_str().to_owned()).collect()
}

/// Who may change a file, a folder or a symbolic link.
#[derive(Clone, Copy)]
struct Permissions {
    owner: u32,
    group: u32,
    /// The type of the file and its permissions.
    mode: u32,
}

impl Permissions {
    fn of(metadata: &Metadata) -> Self {
        Self {
            owner: metadata.uid(),
            group: metadata.gid(),
            mode: metadata.mode(),
        }
    }

    /// Checks that only `user` and root may change what is at `path`.
    fn check(self, path: &Path, user: u32) -> Result<(), NotOwn> {
        let Self { owner, group, mode } = self;
        let path = path.to_owned();
        if owner != user && owner != ROOT {
            return Err(NotOwn::Foreign { path, owner, user });
        }
        let kind = mode & TYPE;
        // The mode of a symbolic link means nothing.
        if kind == LINK || kind == FOLDER && mode & STICKY != 0 {
            return Ok(());
        }
        if mode & OTHERS_WRITE != 0 {
            return Err(NotOwn::WritableByAll(path));
        }
        if mode & GROUP_WRITES != 0 && group != user {
            return Err(NotOwn::WritableByGroup(path, group));
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::io::Read as _;
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use tempfile::TempDir;

    use super::*;

    const FILE: u32 = 0o100_000;

    fn private_folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        // The umask may let a group write to it.
        set_mode(folder.path(), 0o700);
        folder
    }

    /// Returns a folder with the file `certs/ca.pem` in it.
    fn folder() -> (TempDir, PathBuf) {
        let folder = private_folder();
        let file = folder.path().join("certs/ca.pem");
        fs::create_dir(folder.path().join("certs")).unwrap();
        fs::write(&file, "the authority").unwrap();
        for (path, mode) in [(file.parent().unwrap(), 0o755), (&file, 0o644)] {
            set_mode(path, mode);
        }
        (folder, file)
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Lets `path` belong to another user than the one that is returned. Only root can give
    /// something to another user; otherwise, the user is another.
    fn user_without(path: &Path) -> u32 {
        let user = rustix::process::geteuid().as_raw();
        if user != ROOT {
            return user + 1;
        }
        chown(path, Some(12345), Some(12345)).unwrap();
        user
    }

    fn refusal(file: &Path) -> String {
        open_own(file).unwrap_err().to_string()
    }

    #[test]
    fn only_the_user_and_root_may_have_written_the_file_and_what_is_above_it() {
        let (user, own, other) = (1000, 1000, 50);
        for (owner, group, mode, is_own) in [
            (user, own, FILE | 0o644, true),
            (ROOT, ROOT, FILE | 0o644, true),
            (user, own, FILE | 0o664, true),
            (user, other, FILE | 0o644, true),
            (user, other, FILE | 0o664, false),
            (ROOT, ROOT, FILE | 0o664, false),
            (user, own, FILE | 0o646, false),
            (user, own, FILE | 0o1646, false),
            (2000, own, FILE | 0o644, false),
            (user, own, FOLDER | 0o755, true),
            (user, own, FOLDER | 0o775, true),
            (user, other, FOLDER | 0o775, false),
            (user, own, FOLDER | 0o777, false),
            (ROOT, ROOT, FOLDER | 0o1777, true),
            (user, other, FOLDER | 0o1775, true),
            (2000, own, FOLDER | 0o755, false),
            (2000, own, FOLDER | 0o1777, false),
            (user, own, LINK | 0o777, true),
            (2000, own, LINK | 0o777, false),
        ] {
            let permissions = Permissions { owner, group, mode };
            let checked = permissions.check(Path::new("/x"), user);
            assert_eq!(checked.is_ok(), is_own, "{owner} {group} {mode:o}");
        }
        let permissions = |owner| Permissions {
            owner,
            group: owner,
            mode: FOLDER | 0o775,
        };
        assert!(
            permissions(1000).check(Path::new("/x"), ROOT).is_err(),
            "root, by sudo, in the folder of another user"
        );
        assert!(permissions(ROOT).check(Path::new("/x"), ROOT).is_ok());
    }

    #[test]
    fn an_own_file_is_opened() {
        let (_folder, file) = folder();
        let mut content = String::new();
        open_own(&file)
            .unwrap()
            .read_to_string(&mut content)
            .unwrap();
        assert_eq!(content, "the authority");
    }

    #[test]
    fn the_file_and_each_folder_above_it_are_checked() {
        let (folder, file) = folder();
        let certs = file.parent().unwrap();
        for (path, open, closed) in [
            (&*file, 0o646, 0o644),
            (certs, 0o757, 0o755),
            (folder.path(), 0o707, 0o700),
        ] {
            set_mode(path, open);
            let error = refusal(&file);
            let expected = format!("may write to {}", path.display());
            assert!(error.ends_with(&expected), "{error}");
            set_mode(path, closed);
        }
        set_mode(certs, 0o1777);
        assert!(open_own(&file).is_ok(), "others cannot replace the file");
        for path in [&*file, certs, folder.path()] {
            let user = user_without(path);
            assert!(matches!(
                open_for(user, &file),
                Err(NotOwn::Foreign { owner, .. }) if owner != user
            ));
        }
    }

    #[test]
    fn symbolic_links_are_followed_through_own_folders_only() {
        let (_folder, file) = folder();
        let shared = private_folder();
        let [link, through] = ["ca.pem", "link"].map(|name| shared.path().join(name));
        symlink(&file, &link).unwrap();
        symlink("../link/./ca.pem", file.with_file_name("around.pem")).unwrap();
        symlink(shared.path(), file.parent().unwrap().join("../link")).unwrap();
        for path in [&link, &file.with_file_name("around.pem")] {
            assert!(open_own(path).is_ok(), "{}", path.display());
        }
        set_mode(shared.path(), 0o777);
        for path in [&link, &file.with_file_name("around.pem")] {
            let error = refusal(path);
            assert!(
                error.ends_with(&*shared.path().to_string_lossy()),
                "what the link leads to is the user's, but everyone can replace it: {error}"
            );
        }
        set_mode(shared.path(), 0o700);
        symlink(&through, &through).unwrap();
        assert!(refusal(&through).contains("cannot be read"));
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let (folder, file) = folder();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
        assert!(refusal(&pipe).ends_with("is not a file"));
        assert!(refusal(folder.path()).ends_with("is not a file"));
        assert!(refusal(&file.join("x")).contains("cannot be read"));
    }
}
