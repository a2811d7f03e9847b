//! How a control plane is reached: its address, the trusted authority and the client certificate.
//!
//! The endpoint of every server that the operator has signed in to is stored, so that later
//! commands reach the same server from any folder, with the authority that was trusted before.
//! Options and variables take precedence over it. So is the certificate that the operator has
//! confirmed, where no authority vouches for the server's.
//!
//! An authority that merely lies in the current folder is trusted for this machine only: the
//! one who made the folder could otherwise answer for any server.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rookery_trust::{CertificatePin, PinPolicy};
use serde::{Deserialize, Serialize};

use crate::address::ServerAddress;
use crate::failure::{Failure, while_doing};
use crate::render;
use crate::state_folder::StateFolder;

/// The server if none was named and nobody has signed in yet.
const DEFAULT_SERVER: &str = "localhost:6698";
/// The authority that the server creates at its first start, relative to the folder it starts in.
const LOCAL_AUTHORITY: &str = "certs/ca.pem";
/// The file with the known endpoints. No token file has this name, since theirs end in a port.
const FILE: &str = "servers.json";

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
    /// The certificate that the operator has confirmed, where no authority is named.
    #[serde(default)]
    pub pin: Option<CertificatePin>,
}

/// The endpoints of all servers that the operator has signed in to or trusts, one for each, in the
/// order of the last logins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownEndpoints(Vec<Endpoint>);

impl KnownEndpoints {
    /// Completes what the operator named with what is known about the server; without a server,
    /// that of the last login is meant. `folder` is the current folder: for a server on this
    /// machine, an authority in it takes precedence over the known one, because it belongs to the
    /// server that is run there.
    pub fn resolve(self, named: Named, folder: &Path) -> Endpoint {
        let Named {
            server,
            ca,
            certificate,
            key,
        } = named;
        let Self(mut known) = self;
        let server = server
            .or_else(|| known.last().map(|last| last.server.clone()))
            .unwrap_or_else(|| DEFAULT_SERVER.parse().expect("the default is an address"));
        known.retain(|endpoint| endpoint.server == server);
        let (known_ca, known_certificate, known_key, known_pin) =
            known.pop().map_or((None, None, None, None), |known| {
                (known.ca, known.certificate, known.key, known.pin)
            });
        let local = Some(folder.join(LOCAL_AUTHORITY))
            .filter(|file| server.is_this_machine() && file.exists());
        // A certificate and its key belong together.
        let (certificate, key) = if certificate.is_some() || key.is_some() {
            (certificate, key)
        } else {
            (known_certificate, known_key)
        };
        let absolute = |file: PathBuf| folder.join(file);
        let ca = ca.map(absolute).or(local).or(known_ca);
        Endpoint {
            server,
            pin: known_pin.filter(|_| ca.is_none()),
            ca,
            certificate: certificate.map(absolute),
            key: key.map(absolute),
        }
    }

    /// Returns the policy for a certificate of the server that no authority vouches for.
    pub fn pin_policy(&self, server: &ServerAddress) -> PinPolicy {
        match self.0.iter().find(|known| known.server == *server) {
            None => PinPolicy::FirstUse,
            Some(known) => known.pin.map_or(PinPolicy::VouchedBefore, PinPolicy::Known),
        }
    }

    /// Loads the known endpoints. A missing file counts as none, and so does a damaged one, after a
    /// warning: the operator has to get in nevertheless.
    pub fn load(folder: &StateFolder) -> Result<Self, Failure> {
        let file = folder.path().join(FILE);
        match fs::read(&file) {
            Ok(content) => Ok(serde_json::from_slice(&content).unwrap_or_else(|_| {
                render::notice(&format!(
                    "WARNING: the file {} is damaged, so the servers, authorities and fingerprints \
                     that this computer knew are not used. Restore it from a backup, or compare the \
                     fingerprint that you are asked about with `rookeryd fingerprint`.",
                    file.display()
                ));
                Self::default()
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(while_doing(format!("cannot read {}", file.display()))(
                error,
            )),
        }
    }

    /// Stores the endpoints.
    fn save(&self, folder: &StateFolder) -> Result<(), Failure> {
        let file = folder.path().join(FILE);
        let content = serde_json::to_vec(self).map_err(|error| Failure::new(error.to_string()))?;
        folder
            .write(&file, &content)
            .map_err(while_doing(format!("cannot write {}", file.display())))
    }

    fn add(&mut self, endpoint: &Endpoint) {
        let position = self
            .0
            .iter()
            .position(|known| known.server == endpoint.server);
        let known = position.map(|index| self.0.remove(index));
        // The certificate may have been confirmed since the endpoint was resolved.
        let pin = known.and_then(|known| known.pin);
        self.0.push(Endpoint {
            pin: pin.filter(|_| endpoint.ca.is_none()),
            ..endpoint.clone()
        });
    }

    /// Pins a server's certificate in place of a known authority. The server of the last login
    /// remains the default.
    fn pin(&mut self, server: &ServerAddress, pin: CertificatePin) {
        if let Some(known) = self.0.iter_mut().find(|known| known.server == *server) {
            (known.ca, known.pin) = (None, Some(pin));
        } else {
            let endpoint = Endpoint {
                server: server.clone(),
                ca: None,
                certificate: None,
                key: None,
                pin: Some(pin),
            };
            self.0.insert(0, endpoint);
        }
    }
}

/// Stores that the operator trusts a server's certificate.
pub fn save_pin(
    folder: &StateFolder,
    server: &ServerAddress,
    pin: CertificatePin,
) -> Result<(), Failure> {
    let mut known = KnownEndpoints::load(folder)?;
    known.pin(server, pin);
    known.save(folder)
}

impl Endpoint {
    /// Stores this endpoint as that of the last login.
    pub fn save(&self, folder: &StateFolder) -> Result<(), Failure> {
        let mut known = KnownEndpoints::load(folder)?;
        known.add(self);
        known.save(folder)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use rookery_trust::Fingerprint;

    use super::*;

    fn last() -> Endpoint {
        Endpoint {
            server: "chat.example.org".parse().unwrap(),
            ca: Some("/etc/rookery/ca.pem".into()),
            certificate: Some("/home/eve/eve.pem".into()),
            key: Some("/home/eve/eve.key".into()),
            pin: None,
        }
    }

    fn local(ca: &str) -> Endpoint {
        Endpoint {
            server: DEFAULT_SERVER.parse().unwrap(),
            ca: Some(ca.into()),
            certificate: None,
            key: None,
            pin: None,
        }
    }

    fn pin(certificate: &[u8]) -> CertificatePin {
        CertificatePin {
            certificate: Fingerprint::of(certificate),
            key: None,
        }
    }

    fn known(endpoints: &[Endpoint]) -> KnownEndpoints {
        KnownEndpoints(endpoints.to_vec())
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
        let both = known(&[local("/tmp/ca.pem"), last()]);
        assert_eq!(both.resolve(Named::default(), folder.path()), last());
        let first = KnownEndpoints::default().resolve(Named::default(), folder.path());
        assert_eq!(first.server.to_string(), DEFAULT_SERVER);
        assert_eq!((first.ca, first.certificate), (None, None));
    }

    #[test]
    fn the_authority_of_every_server_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let both = known(&[last(), local("/tmp/ca.pem")]);
        let resolved = both.resolve(named(Some("chat.example.org"), None), folder.path());
        assert_eq!(resolved, last(), "another server was signed in to since");
    }

    #[test]
    fn options_override_what_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let resolve = |named| known(&[last()]).resolve(named, folder.path());
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
    fn the_authority_in_the_current_folder_is_trusted_for_this_machine_only() {
        let folder = tempfile::tempdir().unwrap();
        let authority = folder.path().join(LOCAL_AUTHORITY);
        fs::create_dir(authority.parent().unwrap()).unwrap();
        fs::write(&authority, "").unwrap();
        let resolve = |named| {
            known(&[local("/tmp/other.pem"), last()])
                .resolve(named, folder.path())
                .ca
        };
        for here in ["localhost", "127.0.0.1:7000", "127.1.2.3", "[::1]"] {
            assert_eq!(resolve(named(Some(here), None)), Some(authority.clone()));
        }
        let option = resolve(named(Some("localhost"), Some("/named.pem")));
        assert_eq!(option, Some("/named.pem".into()));
        assert_eq!(resolve(Named::default()), last().ca);
        for elsewhere in [
            "other.example",
            "192.0.2.1",
            "localhost.example",
            "[2001:db8::1]",
        ] {
            assert_eq!(resolve(named(Some(elsewhere), None)), None, "{elsewhere}");
        }
    }

    #[test]
    fn stored_endpoints_are_loaded() {
        let home = tempfile::tempdir().unwrap();
        let folder = StateFolder::at(home.path().join("a/b"));
        assert_eq!(KnownEndpoints::load(&folder).unwrap(), known(&[]));
        last().save(&folder).unwrap();
        local("/tmp/old.pem").save(&folder).unwrap();
        local("/tmp/new.pem").save(&folder).unwrap();
        assert_eq!(
            KnownEndpoints::load(&folder).unwrap(),
            known(&[last(), local("/tmp/new.pem")])
        );
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert_eq!(KnownEndpoints::load(&folder).unwrap(), known(&[]));
    }

    #[test]
    fn a_confirmed_certificate_is_remembered_privately_for_its_server() {
        let home = tempfile::tempdir().unwrap();
        let folder = StateFolder::at(home.path().to_owned());
        let load = || KnownEndpoints::load(&folder).unwrap();
        let server: ServerAddress = "pinned.example".parse().unwrap();
        assert_eq!(load().pin_policy(&server), PinPolicy::FirstUse);
        let login = Endpoint { ca: None, ..last() };
        login.save(&folder).unwrap();
        save_pin(&folder, &server, pin(b"first")).unwrap();
        assert_eq!(load().pin_policy(&server), PinPolicy::Known(pin(b"first")));
        assert_eq!(
            load().pin_policy(&login.server),
            PinPolicy::VouchedBefore,
            "an authority of the system vouched for that server"
        );
        let default = load().resolve(Named::default(), home.path());
        assert_eq!(default.server, login.server, "there was no login");
        let file = fs::metadata(home.path().join(FILE)).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);

        // A login to the server keeps the pin.
        let named = named(Some("pinned.example"), None);
        load().resolve(named, home.path()).save(&folder).unwrap();
        save_pin(&folder, &server, pin(b"second")).unwrap();
        let resolved = load().resolve(Named::default(), home.path());
        assert_eq!(
            (resolved.server, resolved.pin),
            (server, Some(pin(b"second")))
        );
    }

    #[test]
    fn an_authority_and_a_pin_take_the_place_of_each_other() {
        let home = tempfile::tempdir().unwrap();
        let folder = StateFolder::at(home.path().to_owned());
        let load = || KnownEndpoints::load(&folder).unwrap();
        last().save(&folder).unwrap();
        save_pin(&folder, &last().server, pin(b"x")).unwrap();
        let resolved = load().resolve(Named::default(), home.path());
        assert_eq!((resolved.ca, resolved.pin), (None, Some(pin(b"x"))));
        assert_eq!(resolved.certificate, last().certificate);

        let resolved = load().resolve(named(None, Some("/named.pem")), home.path());
        assert_eq!(resolved.pin, None);
        resolved.save(&folder).unwrap();
        let resolved = load().resolve(Named::default(), home.path());
        assert_eq!(
            (resolved.ca, resolved.pin),
            (Some("/named.pem".into()), None)
        );
    }
}
