//! How a control plane is reached: its address, the trusted authority and the client certificate.
//!
//! The endpoint of every server that the operator has signed in to is stored, so that later
//! commands reach the same server from any folder, with the authority that was trusted before.
//! Options and variables take precedence over it. So is the certificate that the operator has
//! confirmed, where no authority vouches for the server's.
//!
//! An authority that merely lies in the current folder is trusted for this machine only, and only
//! if no other user of the machine can have written it: the one who made the folder could otherwise
//! answer for the server, and would be sent the password.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rookery_trust::{CertificatePin, PinPolicy, open_own};
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
    /// Whether the operator has named that file. Otherwise it was in the current folder, and it is
    /// used only while no other user of the machine can write it.
    #[serde(default)]
    pub ca_is_named: bool,
    /// The file with the client certificate.
    pub certificate: Option<PathBuf>,
    /// The file with its key, if that is another one.
    pub key: Option<PathBuf>,
    /// The certificate that the operator has confirmed, where no authority is named.
    #[serde(default)]
    pub pin: Option<CertificatePin>,
}

/// An endpoint for one command.
pub struct Resolved {
    pub endpoint: Endpoint,
    /// What the operator should know about the choice of the authority.
    pub notice: Option<String>,
}

/// The endpoints of all servers that the operator has signed in to or trusts, one for each, in the
/// order of the last logins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownEndpoints(Vec<Endpoint>);

impl KnownEndpoints {
    /// Completes what the operator named with what is known about the server; without a server,
    /// that of the last login is meant. `folder` is the current folder: for a server on this
    /// machine, an authority in it takes precedence over the known one, because it belongs to the
    /// server that is run there. It is not used if another user can have written it.
    pub fn resolve(self, named: Named, folder: &Path) -> Resolved {
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
        let known = known.pop();
        let absolute = |file: PathBuf| folder.join(file);
        let local = Some(folder.join(LOCAL_AUTHORITY))
            .filter(|file| ca.is_none() && server.is_this_machine() && file.exists());
        let choice = match (ca, local) {
            (Some(named), _) => Choice::named(absolute(named)),
            (None, Some(local)) => Choice::local_or_known(local, known.as_ref(), &server),
            (None, None) => Choice::known(known.as_ref()),
        };
        let (known_certificate, known_key, known_pin) = known.map_or((None, None, None), |known| {
            (known.certificate, known.key, known.pin)
        });
        // A certificate and its key belong together.
        let (certificate, key) = if certificate.is_some() || key.is_some() {
            (certificate, key)
        } else {
            (known_certificate, known_key)
        };
        let endpoint = Endpoint {
            server,
            pin: known_pin.filter(|_| choice.ca.is_none()),
            ca: choice.ca,
            ca_is_named: choice.is_named,
            certificate: certificate.map(absolute),
            key: key.map(absolute),
        };
        Resolved {
            endpoint,
            notice: choice.notice,
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
            (known.ca, known.ca_is_named, known.pin) = (None, false, Some(pin));
        } else {
            let endpoint = Endpoint {
                server: server.clone(),
                ca: None,
                ca_is_named: false,
                certificate: None,
                key: None,
                pin: Some(pin),
            };
            self.0.insert(0, endpoint);
        }
    }
}

/// The authority for one command.
struct Choice {
    ca: Option<PathBuf>,
    is_named: bool,
    notice: Option<String>,
}

impl Choice {
    fn named(file: PathBuf) -> Self {
        Self {
            ca: Some(file),
            is_named: true,
            notice: None,
        }
    }

    /// What is known about the server.
    fn known(known: Option<&Endpoint>) -> Self {
        Self {
            ca: known.and_then(|known| known.ca.clone()),
            is_named: known.is_some_and(|known| known.ca_is_named),
            notice: None,
        }
    }

    /// The authority in the current folder, or what is known if another user can have written it.
    fn local_or_known(local: PathBuf, known: Option<&Endpoint>, server: &ServerAddress) -> Self {
        if known.is_some_and(|known| known.ca.as_ref() == Some(&local)) {
            return Self::known(known);
        }
        let file = local.display();
        let before = match known.map(|known| (&known.ca, known.pin)) {
            Some((Some(ca), _)) => format!("that of the last login, {}", ca.display()),
            Some((None, Some(_))) => "the certificate that you have confirmed".to_owned(),
            Some((None, None)) | None => "the system's authorities".to_owned(),
        };
        if let Err(why) = open_own(&local) {
            let notice = format!(
                "{file} is not trusted as the authority of {server}, because {why}. Trusted in its \
                 place: {before}. If you trust the file, name it with `--ca {LOCAL_AUTHORITY}`."
            );
            return Self {
                notice: Some(notice),
                ..Self::known(known)
            };
        }
        let notice = known.map(|_| {
            format!("{file} is trusted as the authority of {server}, in place of {before}.")
        });
        Self {
            ca: Some(local),
            is_named: false,
            notice,
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
    use tempfile::TempDir;

    use super::*;

    fn last() -> Endpoint {
        Endpoint {
            server: "chat.example.org".parse().unwrap(),
            ca: Some("/etc/rookery/ca.pem".into()),
            ca_is_named: true,
            certificate: Some("/home/eve/eve.pem".into()),
            key: Some("/home/eve/eve.key".into()),
            pin: None,
        }
    }

    fn local(ca: &str) -> Endpoint {
        Endpoint {
            server: DEFAULT_SERVER.parse().unwrap(),
            ca: Some(ca.into()),
            ca_is_named: true,
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

    /// Returns a folder with an authority, in which only its owner may write whatever the umask is.
    fn folder_with_authority() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let authority = folder.path().join(LOCAL_AUTHORITY);
        let certs = authority.parent().unwrap();
        fs::create_dir(certs).unwrap();
        fs::write(&authority, "").unwrap();
        set_mode(folder.path(), 0o700);
        set_mode(certs, 0o755);
        set_mode(&authority, 0o644);
        (folder, authority)
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_last_login_is_the_default_in_every_folder() {
        let folder = tempfile::tempdir().unwrap();
        let both = known(&[local("/tmp/ca.pem"), last()]);
        assert_eq!(
            both.resolve(Named::default(), folder.path()).endpoint,
            last()
        );
        let first = KnownEndpoints::default()
            .resolve(Named::default(), folder.path())
            .endpoint;
        assert_eq!(first.server.to_string(), DEFAULT_SERVER);
        assert_eq!((first.ca, first.certificate), (None, None));
    }

    #[test]
    fn the_authority_of_every_server_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let both = known(&[last(), local("/tmp/ca.pem")]);
        let resolved = both
            .resolve(named(Some("chat.example.org"), None), folder.path())
            .endpoint;
        assert_eq!(resolved, last(), "another server was signed in to since");
    }

    #[test]
    fn options_override_what_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let resolve = |named| known(&[last()]).resolve(named, folder.path()).endpoint;
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
        let (folder, authority) = folder_with_authority();
        let resolve = |named| {
            known(&[local("/tmp/other.pem"), last()])
                .resolve(named, folder.path())
                .endpoint
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
    fn an_authority_that_others_can_write_is_trusted_only_if_it_was_named() {
        let (folder, authority) = folder_with_authority();
        let certs = folder.path().join("certs");
        let resolve = |endpoints: &[Endpoint], ca| {
            let Resolved { endpoint, notice } =
                known(endpoints).resolve(named(Some("localhost"), ca), folder.path());
            (
                endpoint.ca,
                endpoint.pin,
                endpoint.ca_is_named,
                notice.unwrap_or_default(),
            )
        };
        let named_file = Some(PathBuf::from("/named.pem"));
        let before = local("/named.pem");
        let pinned = Endpoint {
            ca: None,
            pin: Some(pin(b"x")),
            ..before.clone()
        };

        set_mode(&certs, 0o757);
        let hint = "`--ca certs/ca.pem`";
        for (endpoints, ca, pin, place) in [
            (
                &[before.clone()][..],
                named_file.clone(),
                None,
                "/named.pem",
            ),
            (
                std::slice::from_ref(&pinned),
                None,
                pinned.pin,
                "that you have confirmed",
            ),
            (&[], None, None, "the system's authorities"),
        ] {
            let (used, used_pin, _, notice) = resolve(endpoints, None);
            assert_eq!((used, used_pin), (ca, pin), "{notice}");
            let why = format!("may write to {}", certs.display());
            for part in [LOCAL_AUTHORITY, &why, place, hint] {
                assert!(notice.contains(part), "{part}: {notice}");
            }
        }
        let (used, _, is_named, notice) = resolve(&[], Some(LOCAL_AUTHORITY));
        assert_eq!(
            (used, is_named, &*notice),
            (Some(authority.clone()), true, "")
        );
        let signed_in = local(&authority.to_string_lossy());
        let (used, _, is_named, notice) = resolve(&[signed_in], None);
        assert_eq!(
            (used, is_named, &*notice),
            (Some(authority.clone()), true, ""),
            "it was named at the last login"
        );

        set_mode(&certs, 0o755);
        for (endpoints, place) in [
            (&[before][..], "/named.pem"),
            (&[pinned], "that you have confirmed"),
        ] {
            let (used, _, is_named, notice) = resolve(endpoints, None);
            assert_eq!((used, is_named), (Some(authority.clone()), false));
            assert!(notice.contains(place), "{notice}");
        }
        let (used, _, is_named, notice) = resolve(&[], None);
        assert_eq!((used, is_named, &*notice), (Some(authority), false, ""));
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
        let default = load().resolve(Named::default(), home.path()).endpoint;
        assert_eq!(default.server, login.server, "there was no login");
        let file = fs::metadata(home.path().join(FILE)).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);

        // A login to the server keeps the pin.
        let named = named(Some("pinned.example"), None);
        load()
            .resolve(named, home.path())
            .endpoint
            .save(&folder)
            .unwrap();
        save_pin(&folder, &server, pin(b"second")).unwrap();
        let resolved = load().resolve(Named::default(), home.path()).endpoint;
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
        let resolved = load().resolve(Named::default(), home.path()).endpoint;
        assert_eq!((resolved.ca, resolved.pin), (None, Some(pin(b"x"))));
        assert_eq!(resolved.certificate, last().certificate);

        let resolved = load()
            .resolve(named(None, Some("/named.pem")), home.path())
            .endpoint;
        assert_eq!(resolved.pin, None);
        resolved.save(&folder).unwrap();
        let resolved = load().resolve(Named::default(), home.path()).endpoint;
        assert_eq!(
            (resolved.ca, resolved.pin),
            (Some("/named.pem".into()), None)
        );
    }
}
