//! The floor: what the deliveries of any server over TLS cost at least. One thread reads the lines
//! of each connection, seals every `PRIVMSG` for each other member of its channel, and writes it.
//! Nothing is checked, stored or limited.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rookery_protocol::framing::MAX_TAGS;
use rookery_protocol::{Line, LineFramer};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

type Peer = Rc<Connection>;

/// Who is where, and who has which nick.
#[derive(Default)]
struct Members {
    channels: RefCell<HashMap<String, Vec<Peer>>>,
    nicks: RefCell<HashMap<String, Peer>>,
}

impl Members {
    fn join(&self, channel: &str, connection: &Peer) {
        let mut channels = self.channels.borrow_mut();
        let members = channels.entry(channel.to_owned()).or_default();
        members.push(Rc::clone(connection));
    }

    /// Returns the members of a channel, or who has a nick.
    fn of(&self, target: &str) -> Vec<Peer> {
        match self.channels.borrow().get(target) {
            Some(members) => members.clone(),
            None => self
                .nicks
                .borrow()
                .get(target)
                .cloned()
                .into_iter()
                .collect(),
        }
    }

    fn remove(&self, connection: &Peer) {
        for members in self.channels.borrow_mut().values_mut() {
            members.retain(|member| !Rc::ptr_eq(member, connection));
        }
    }
}

struct Connection {
    socket: TcpStream,
    tls: RefCell<ServerConnection>,
}

/// Runs with the certificate in `folder`, on a runtime with one thread.
pub async fn run(address: SocketAddr, folder: &Path) -> Result<()> {
    let chain = vec![CertificateDer::from_pem_file(folder.join("cert.pem"))?];
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem"))?;
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    // What Rookery chooses.
    provider.cipher_suites =
        vec![rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256];
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    LocalSet::new()
        .run_until(accept(address, Arc::new(config)))
        .await
}

async fn accept(address: SocketAddr, config: Arc<ServerConfig>) -> Result<()> {
    let listener = TcpListener::bind(address).await?;
    let members = Rc::new(Members::default());
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let tls = ServerConnection::new(Arc::clone(&config))?;
        let connection = Rc::new(Connection {
            socket,
            tls: RefCell::new(tls),
        });
        let members = Rc::clone(&members);
        spawn_local(async move {
            // It ends when the client closes it.
            let _ = serve(&connection, &members).await;
            members.remove(&connection);
        });
    }
}

async fn serve(connection: &Peer, members: &Members) -> Result<()> {
    let mut framer = LineFramer::new(MAX_TAGS);
    let mut buffer = vec![0; 16384];
    let mut nick = String::new();
    loop {
        connection.socket.readable().await?;
        let length = connection.receive(&mut buffer)?;
        connection.flush().await?;
        let mut lines = Vec::new();
        framer.push(&buffer[..length], |line| {
            if let Line::Text(text) = line {
                lines.push(text.to_owned());
            }
        });
        // What arrived at once is sealed at once.
        let mut deliveries: HashMap<String, String> = HashMap::new();
        for line in &lines {
            let mut words = line.splitn(3, ' ');
            let (command, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            match command {
                "NICK" => {
                    target.clone_into(&mut nick);
                    members
                        .nicks
                        .borrow_mut()
                        .insert(nick.clone(), Rc::clone(connection));
                }
                "USER" => {
                    connection
                        .send(&format!(":bench 422 {nick} :none\r\n"))
                        .await?;
                }
                "JOIN" => {
                    members.join(target, connection);
                    connection
                        .send(&format!(":bench 366 {nick} {target} :end\r\n"))
                        .await?;
                }
                "PRIVMSG" => {
                    let lines = deliveries.entry(target.to_owned()).or_default();
                    lines.extend([":", &nick, "!~", &nick, "@127.0.0.1 ", line, "\r\n"]);
                }
                _ => {}
            }
        }
        for (target, lines) in deliveries {
            for peer in members.of(&target) {
                if !Rc::ptr_eq(&peer, connection) {
                    // The receiver may have closed its connection.
                    let _ = peer.send(&lines).await;
                }
            }
        }
    }
}

impl Connection {
    /// Reads what has arrived. Returns how many bytes of it are plaintext in `buffer`.
    fn receive(&self, buffer: &mut [u8]) -> Result<usize> {
        let mut tls = self.tls.borrow_mut();
        match tls.read_tls(&mut TryStream(&self.socket)) {
            Ok(0) => anyhow::bail!("closed"),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error.into()),
        }
        tls.process_new_packets().context("not TLS")?;
        match tls.reader().read(buffer) {
            Ok(0) => anyhow::bail!("closed"),
            Ok(length) => Ok(length),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    async fn send(&self, lines: &str) -> Result<()> {
        self.tls.borrow_mut().writer().write_all(lines.as_bytes())?;
        self.flush().await
    }

    /// Writes everything that is sealed.
    async fn flush(&self) -> Result<()> {
        loop {
            {
                let mut tls = self.tls.borrow_mut();
                if !tls.wants_write() {
                    return Ok(());
                }
                match tls.write_tls(&mut TryStream(&self.socket)) {
                    Ok(_) => continue,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                }
            }
            self.socket.writable().await?;
        }
    }
}

/// A socket that never waits.
struct TryStream<'socket>(&'socket TcpStream);

impl io::Read for TryStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl io::Write for TryStream<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.try_write(buffer)
    }

    fn write_vectored(&mut self, buffers: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
