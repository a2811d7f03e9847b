//! The servers that are compared: how each is configured, without limits, and started.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use tempfile::TempDir;

use crate::lines::Target;
use crate::process::Process;

/// How long a server may take until it accepts connections.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// A server, or a way of running it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// Seals and writes lines, and nothing else.
    Floor,
    RookeryWithoutHistory,
    Rookery,
    /// With `history.sync = "full"`.
    RookerySynced,
    Ergo,
    InspIrcd,
    NgIrcd,
    IrcdHybrid,
}

impl Server {
    /// All, in the order of the table.
    pub const ALL: [Self; 8] = [
        Self::Floor,
        Self::RookeryWithoutHistory,
        Self::Rookery,
        Self::RookerySynced,
        Self::Ergo,
        Self::InspIrcd,
        Self::NgIrcd,
        Self::IrcdHybrid,
    ];

    /// The heading of its column.
    pub fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::RookeryWithoutHistory => "Rookery, history off",
            Self::Rookery => "Rookery",
            Self::RookerySynced => "Rookery, sync full",
            Self::Ergo => "ergo",
            Self::InspIrcd => "InspIRCd",
            Self::NgIrcd => "ngIRCd",
            Self::IrcdHybrid => "ircd-hybrid",
        }
    }

    /// Whether it is the work of others.
    pub fn is_peer(self) -> bool {
        match self {
            Self::Ergo | Self::InspIrcd | Self::NgIrcd | Self::IrcdHybrid => true,
            Self::Floor | Self::RookeryWithoutHistory | Self::Rookery | Self::RookerySynced => {
                false
            }
        }
    }
}

/// Where the programs are.
#[derive(Debug)]
pub struct Programs {
    /// The load generator itself, which is the floor, too.
    pub bench: PathBuf,
    pub rookeryd: PathBuf,
    pub ergo: Option<PathBuf>,
    /// The folder with the other peers: `/usr/sbin`, unless only Rookery is measured.
    pub peers: Option<PathBuf>,
}

impl Programs {
    /// Returns the program of a server, if it is at hand.
    fn of(&self, server: Server) -> Option<PathBuf> {
        let peer = |name: &str| {
            let program = self.peers.as_ref()?.join(name);
            program.is_file().then_some(program)
        };
        match server {
            Server::Floor => Some(self.bench.clone()),
            Server::RookeryWithoutHistory | Server::Rookery | Server::RookerySynced => {
                Some(self.rookeryd.clone())
            }
            Server::Ergo => self.ergo.clone(),
            Server::InspIrcd => peer("inspircd"),
            Server::NgIrcd => peer("ngircd"),
            Server::IrcdHybrid => peer("ircd-hybrid"),
        }
    }

    /// Whether this server can be measured.
    pub fn has(&self, server: Server) -> bool {
        self.of(server).is_some()
    }

    /// Starts a server in a new folder, and waits until it accepts connections.
    pub fn start(&self, server: Server) -> Result<Running> {
        let program = self.of(server).context("the program is missing")?;
        let folder = tempfile::tempdir()?;
        let path = folder.path();
        let address = free_address()?;
        write_certificate(path)?;
        let config = path.join("config");
        if let Some(text) = config_text(server, address, path)? {
            fs::write(&config, text)?;
        }
        let mut command = match server {
            // These two refuse to run as root, which the namespace's user is.
            Server::NgIrcd | Server::IrcdHybrid => {
                let mut command = Command::new("unshare");
                command.args(["--user", "--map-user=1000", "--map-group=1000"]);
                command.arg(&program);
                command
            }
            Server::Floor
            | Server::RookeryWithoutHistory
            | Server::Rookery
            | Server::RookerySynced
            | Server::Ergo
            | Server::InspIrcd => Command::new(&program),
        };
        match server {
            Server::Floor => command
                .args(["floor", "--listen", &address.to_string(), "--folder"])
                .arg(path),
            Server::RookeryWithoutHistory | Server::Rookery | Server::RookerySynced => {
                command.arg("--config").arg(&config)
            }
            Server::Ergo => command.args(["run", "--conf"]).arg(&config),
            Server::InspIrcd => command
                .args(["--nofork", "--runasroot", "--nolog", "--config"])
                .arg(&config),
            Server::NgIrcd => command.args(["--nodaemon", "--config"]).arg(&config),
            Server::IrcdHybrid => {
                command.args(["-foreground", "-configfile"]).arg(&config);
                for option in ["logfile", "pidfile", "klinefile", "dlinefile", "xlinefile"] {
                    command.arg(format!("-{option}")).arg(path.join(option));
                }
                &mut command
            }
        };
        if server == Server::Ergo {
            let status = Command::new(&program)
                .args(["initdb", "--quiet", "--conf"])
                .arg(&config)
                .current_dir(path)
                .status()?;
            ensure!(status.success(), "ergo initdb failed");
        }
        let log = fs::File::create(path.join("output"))?;
        let child = command
            .current_dir(path)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("could not start {}", program.display()))?;
        let running = Running {
            target: Target {
                address,
                process: Process::new(child.id()),
            },
            child,
            folder,
        };
        running.wait_until_open()?;
        Ok(running)
    }
}

/// A server that runs until this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    target: Target,
    folder: TempDir,
}

impl Running {
    /// Where it is.
    pub fn target(&self) -> Target {
        self.target
    }

    fn wait_until_open(&self) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(self.target.address).is_err() {
            ensure!(
                Instant::now() < deadline && self.target.process.resident_bytes().is_ok(),
                "it did not open its port:\n{}",
                self.output()
            );
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// What it has printed last.
    pub fn output(&self) -> String {
        let output = fs::read(self.folder.path().join("output")).unwrap_or_default();
        let last = output.len().saturating_sub(2000);
        String::from_utf8_lossy(&output[last..]).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Writes `cert.pem` and `key.pem`: a certificate of the kind that all servers have, P-256.
fn write_certificate(folder: &Path) -> Result<()> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = CertificateParams::new(["localhost".to_owned()])?.self_signed(&key)?;
    fs::write(folder.join("cert.pem"), certificate.pem())?;
    fs::write(folder.join("key.pem"), key.serialize_pem())?;
    Ok(())
}

/// Returns the config of a server: no limits, no look-ups of names.
fn config_text(server: Server, address: SocketAddr, folder: &Path) -> Result<Option<String>> {
    let port = address.port();
    let folder = folder.display();
    let rookery = |history: &str| -> Result<String> {
        let mut text = format!(
            "[chat]\nlisten = \"{address}\"\nlobby = []\n\
             [admin]\nlisten = \"{}\"\n\
             [tls]\ncertificate = \"cert.pem\"\nprivate_key = \"key.pem\"\n\
             [accounts]\nrequired = false\nverify_email = false\n\
             [history]\n{history}\n[log]\nlevel = \"warn\"\n[limits]\n",
            free_address()?,
        );
        for limit in [
            "connections",
            "connections_per_address",
            "connect_rate",
            "sessions_per_account",
            "stored_bytes_per_day",
            "messages_per_second",
            "message_burst",
            "sendq_bytes",
            "sendq_total_bytes",
            "ping_seconds",
        ] {
            writeln!(text, "{limit} = 0")?;
        }
        Ok(text)
    };
    Ok(match server {
        Server::Floor => None,
        Server::RookeryWithoutHistory => Some(rookery("enabled = false")?),
        Server::Rookery => Some(rookery("enabled = true")?),
        Server::RookerySynced => Some(rookery("sync = \"full\"")?),
        Server::Ergo => Some(format!(
            r#"network:
    name: Bench
server:
    name: bench.local
    listeners:
        "127.0.0.1:{port}":
            tls:
                cert: cert.pem
                key: key.pem
    casemapping: ascii
    enforce-utf8: true
    lookup-hostnames: false
    check-ident: false
    max-sendq: 1g
    ip-limits:
        count: false
        throttle: false
    ip-cloaking:
        enabled: false
    idle-timeouts:
        registration: 10m
        ping: 60m
        disconnect: 90m
accounts:
    authentication-enabled: true
channels:
    default-modes: +nt
    max-channels-per-client: 1000
limits:
    nicklen: 32
    identlen: 20
    channellen: 64
    awaylen: 390
    kicklen: 390
    topiclen: 390
    monitor-entries: 100
    whowas-entries: 100
    chan-list-modes: 100
    registration-messages: 1024
fakelag:
    enabled: false
datastore:
    path: ircd.db
logging:
    - method: stderr
      type: "*"
      level: error
history:
    enabled: true
    channel-length: 2048
    client-length: 256
    chathistory-maxmessages: 1000
"#
        )),
        Server::InspIrcd => {
            fs::write(format!("{folder}/motd"), "")?;
            Some(format!(
                r#"<server name="bench.local" description="bench" network="Bench">
<admin name="bench" nick="bench" email="bench@bench.local">
<bind address="127.0.0.1" port="{port}" type="clients" sslprofile="bench">
<module name="ssl_gnutls">
<sslprofile name="bench" provider="gnutls" certfile="{folder}/cert.pem" keyfile="{folder}/key.pem">
<connect name="bench" allow="*" resolvehostnames="no" useident="no" timeout="60" pingfreq="3600"
    hardsendq="1073741824" softsendq="1073741824" recvq="1048576" threshold="1000000"
    commandrate="1000000000" fakelag="no" localmax="100000" globalmax="100000" maxchans="200">
<performance softlimit="100000" somaxconn="4096" quietbursts="yes">
<files motd="{folder}/motd">
<pid file="{folder}/pid">
"#
            ))
        }
        Server::NgIrcd => Some(format!(
            "[Global]\nName = bench.local\nInfo = bench\nListen = 127.0.0.1\nMotdPhrase = bench\n\
             ServerUID = 1000\nServerGID = 1000\n\
             [Limits]\nMaxConnections = 0\nMaxConnectionsIP = 0\nMaxJoins = 0\n\
             MaxPenaltyTime = 0\nPingTimeout = 3600\nMaxNickLength = 30\n\
             [Options]\nDNS = no\nIdent = no\nPAM = no\n\
             [SSL]\nCertFile = {folder}/cert.pem\nKeyFile = {folder}/key.pem\nPorts = {port}\n"
        )),
        Server::IrcdHybrid => Some(format!(
            r#"serverinfo {{
    name = "bench.local"; sid = "0BB"; description = "bench";
    network_name = "Bench"; network_description = "bench"; hub = no;
    default_max_clients = 100000; max_nick_length = 30;
    tls_certificate_file = "{folder}/cert.pem"; rsa_private_key_file = "{folder}/key.pem";
}};
admin {{ name = "bench"; description = "bench"; email = "bench@bench.local"; }};
class {{
    name = "users"; ping_time = 60 minutes; max_number = 100000; max_channels = 200;
    number_per_ip_local = 100000; number_per_ip_global = 100000;
    sendq = 1000 megabytes; recvq = 8000 bytes;
}};
listen {{ flags = tls; host = "127.0.0.1"; port = {port}; }};
auth {{
    user = "*@*"; class = "users";
    flags = exceed_limit, can_flood, kline_exempt, xline_exempt, resv_exempt;
}};
channel {{ max_channels = 200; default_join_flood_count = 0; default_join_flood_time = 0; }};
general {{
    disable_auth = yes; throttle_count = 1000000; throttle_time = 1 second;
    anti_nick_flood = no; max_targets = 20; invisible_on_connect = no;
    anti_spam_exit_message_time = 0; default_floodcount = 0;
    pace_wait = 0; pace_wait_simple = 0; short_motd = yes;
}};
modules {{
    path = "/usr/lib/ircd-hybrid/modules"; path = "/usr/lib/ircd-hybrid/modules/autoload";
}};
log {{ use_logging = no; }};
"#
        )),
    })
}
