//! How a control plane is reached: its address, the trusted authority and the client certificate.
//!
//! The endpoint of the last login is stored, so that later commands reach the same server from any
//! folder. Options and variables take precedence over it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::address::ServerAddress;
use crate::failure::{Failure, while_doing};
use crate::state_folder::StateFolder;

/// The server if none was named and nobody has signed in yet.
const DEFAULT_SERVER: &str = "localhost:6698";
/// The authority that the server creates at its first start, relative to the folder it starts in.
const LOCAL_AUTHORITY: &str = "certs/ca.pem";
/// The file with the endpoint of the last login. No token file has this name, since theirs end in a
/// port.
const FILE: &str = "last-login.json";

/// What the operator named, as an option or a variable.
#[derive(Clone, Debug, Default)]
pub struct Named {
    pub server: Option<ServerAddress>,
    pub ca: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

/// An address with the files that a connection to it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub server: ServerAddress,
    /// The file with the trusted authority; `None` for the system's authorities.
    pub ca: Option<PathBuf>,
    /// The file with the client certificate.
    pub certificate: Option<PathBuf>,
    /// The file with its key, if that is another one.
    pub key: Option<PathBuf>,
}

impl Endpoint {
    /// Completes what the operator named with `last`, the endpoint of the last login. `folder` is
    /// the current folder: an authority in it takes precedence over that of the last login, because
    /// it belongs to the server that is run there.
    pub fn resolve(named: Named, last: Option<Self>, folder: &Path) -> Self {
        let Named {
            server,
            ca,
            certificate,
            key,
        } = named;
        let server = server
            .or_else(|| last.as_ref().map(|last| last.server.clone()))
            .unwrap_or_else(|| DEFAULT_SERVER.parse().expect("the default is an address"));
        let last = last.filter(|last| last.server == server);
        let (last_ca, last_certificate, last_key) = last.map_or((None, None, None), |last| {
            (last.ca, last.certificate, last.key)
        });
        let local = Some(folder.join(LOCAL_AUTHORITY)).filter(|file| file.exists());
        // A certificate and its key belong together.
        let (certificate, key) = if certificate.is_some() || key.is_some() {
            (certificate, key)
        } else {
            (last_certificate, last_key)
        };
        let absolute = |file: PathBuf| folder.join(file);
        Self {
            server,
            ca: ca.map(absolute).or(local).or(last_ca),
            certificate: certificate.map(absolute),
            key: key.map(absolute),
        }
    }

    /// Loads the endpoint of the last login, if there is one. A damaged file counts as none.
    pub fn load(folder: &StateFolder) -> Result<Option<Self>, Failure> {
        let file = folder.path().join(FILE);
        match fs::read(&file) {
            Ok(content) => Ok(serde_json::from_slice(&content).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(while_doing(format!("cannot read {}", file.display()))(
                error,
            )),
        }
    }

    /// Stores this endpoint as that of the last login.
    pub fn save(&self, folder: &StateFolder) -> Result<(), Failure> {
        let file = folder.path().join(FILE);
        let content = serde_json::to_vec(self).map_err(|error| Failure::new(error.to_string()))?;
        folder
            .write(&file, &content)
            .map_err(while_doing(format!("cannot write {}", file.display())))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn last() -> Endpoint {
        Endpoint {
            server: "chat.example.org".parse().unwrap(),
            ca: Some("/etc/rookery/ca.pem".into()),
            certificate: Some("/home/eve/eve.pem".into()),
            key: Some("/home/eve/eve.key".into()),
        }
    }

    fn named(server: Option<&str>, ca: Option<&str>) -> Named {
        Named {
            server: server.map(|server| server.parse().unwrap()),
            ca: ca.map(PathBuf::from),
            ..Named::default()
        }
    }

    #[test]
    fn the_last_login_is_the_default_in_every_folder() {
        let folder = tempfile::tempdir().unwrap();
        let resolve = |named, last| Endpoint::resolve(named, last, folder.path());
        assert_eq!(resolve(Named::default(), Some(last())), last());
        let first = resolve(Named::default(), None);
        assert_eq!(first.server.to_string(), DEFAULT_SERVER);
        assert_eq!((first.ca, first.certificate), (None, None));
    }

    #[test]
    fn options_override_the_last_login() {
        let folder = tempfile::tempdir().unwrap();
        let resolve = |named| Endpoint::resolve(named, Some(last()), folder.path());
        let other = resolve(named(Some("other.example:7000"), None));
        assert_eq!(
            (other.ca, other.certificate, other.key),
            (None, None, None),
            "files for one server are not used for another"
        );
        let same = resolve(named(Some("chat.example.org:6698"), Some("new.pem")));
        assert_eq!(same.ca, Some(folder.path().join("new.pem")));
        assert_eq!(same.certificate, last().certificate);
        let certificate = resolve(Named {
            certificate: Some("both.pem".into()),
            ..Named::default()
        });
        assert_eq!(
            certificate.key, None,
            "the key of another certificate is not used"
        );
    }

    #[test]
    fn the_authority_in_the_current_folder_takes_precedence_over_the_last_one() {
        let folder = tempfile::tempdir().unwrap();
        let local = folder.path().join(LOCAL_AUTHORITY);
        fs::create_dir(local.parent().unwrap()).unwrap();
        fs::write(&local, "").unwrap();
        let resolve = |named| Endpoint::resolve(named, Some(last()), folder.path());
        assert_eq!(resolve(Named::default()).ca, Some(local));
        let option = resolve(named(None, Some("/named.pem")));
        assert_eq!(option.ca, Some("/named.pem".into()));
    }

    #[test]
    fn a_stored_endpoint_is_loaded() {
        let home = tempfile::tempdir().unwrap();
        let folder = StateFolder::at(home.path().join("a/b"));
        assert_eq!(Endpoint::load(&folder).unwrap(), None);
        last().save(&folder).unwrap();
        assert_eq!(Endpoint::load(&folder).unwrap(), Some(last()));
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert_eq!(Endpoint::load(&folder).unwrap(), None);
    }
}
