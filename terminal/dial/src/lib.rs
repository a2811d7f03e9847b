//! Connects by TCP to a host that has several addresses, some of which may lead nowhere.
//!
//! This is the connection algorithm of Happy Eyeballs (RFC 8305 §4 and §5). Addresses of both
//! families take turns. An attempt that has neither succeeded nor failed after a quarter of a
//! second remains under way while the next one starts, and the first connection wins. A host whose
//! IPv6 is broken is therefore reached nearly as fast as one without.
//!
//! The order within a family is that of the system's resolver, which applies RFC 6724. The crate
//! knows neither TLS nor any protocol; the caller sets the time limit.

use std::collections::VecDeque;
use std::io;
use std::net::{self, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The time after which the next attempt starts while the previous one is under way (RFC 8305 §5,
/// "Connection Attempt Delay").
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to a port of a host.
pub async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses: Vec<_> = tokio::net::lookup_host((host, port)).await?.collect();
    race(addresses, TcpStream::connect).await
}

/// Connects to one of a host's addresses, for a program without a tokio runtime.
///
/// Fails with [`io::ErrorKind::TimedOut`] after `limit`, if there is one.
pub fn connect_blocking(
    addresses: &[SocketAddr],
    limit: Option<Duration>,
) -> io::Result<net::TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let stream = runtime.block_on(async {
        let connecting = race(addresses.to_vec(), TcpStream::connect);
        match limit {
            None => connecting.await,
            Some(limit) => tokio::time::timeout(limit, connecting)
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        }?
        .into_std()
    })?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Returns the first connection to any of the addresses, or the error of the last attempt.
async fn race<S, F>(addresses: Vec<SocketAddr>, connect: impl Fn(SocketAddr) -> F) -> io::Result<S>
where
    F: Future<Output = io::Result<S>> + Send + 'static,
    S: Send + 'static,
{
    let mut untried = interleave(addresses);
    // The other attempts are cancelled when the set is dropped.
    let mut attempts = JoinSet::new();
    let mut error = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    loop {
        if let Some(address) = untried.pop_front() {
            attempts.spawn(connect(address));
        }
        let finished = tokio::select! {
            finished = attempts.join_next() => finished,
            () = tokio::time::sleep(ATTEMPT_DELAY), if !untried.is_empty() => continue,
        };
        match finished {
            None => return Err(error),
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(cause))) => error = cause,
            Some(Err(cause)) => error = cause.into(),
        }
    }
}

/// Reorders the addresses so that the families take turns, beginning with that of the first one.
fn interleave(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let starts_with_ipv6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == starts_with_ipv6);
    let mut second = second.into_iter();
    let mut interleaved = VecDeque::new();
    for address in first {
        interleaved.push_back(address);
        interleaved.extend(second.next());
    }
    interleaved.extend(second);
    interleaved
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::time::Instant;

    use super::*;

    /// What an attempt to connect to an address does.
    #[derive(Clone, Copy)]
    enum Answer {
        After(u64),
        RefusedAfter(u64),
        Never,
    }
    use Answer::{After, Never, RefusedAfter};

    /// Runs a race with paused time. Returns the address that won, the milliseconds that it took,
    /// and when each attempt started.
    async fn run(hosts: &[(&str, Answer)]) -> (io::Result<String>, u128, Vec<(String, u128)>) {
        let answers: Vec<(SocketAddr, Answer)> = hosts
            .iter()
            .map(|(address, answer)| (address.parse().unwrap(), *answer))
            .collect();
        let began = Instant::now();
        let started = Arc::new(Mutex::new(Vec::new()));
        let addresses = answers.iter().map(|(address, _)| *address).collect();
        let connected = race(addresses, |address| {
            let (_, answer) = answers.iter().find(|(known, _)| *known == address).unwrap();
            let (answer, started) = (*answer, Arc::clone(&started));
            async move {
                let since = began.elapsed().as_millis();
                started.lock().unwrap().push((address.to_string(), since));
                match answer {
                    After(delay) => {
                        tokio::time::sleep(Duration::from_millis(delay)).await;
                        Ok(address.to_string())
                    }
                    RefusedAfter(delay) => {
                        tokio::time::sleep(Duration::from_millis(delay)).await;
                        Err(io::ErrorKind::ConnectionRefused.into())
                    }
                    Never => std::future::pending().await,
                }
            }
        })
        .await;
        let took = began.elapsed().as_millis();
        let started = started.lock().unwrap().clone();
        (connected, took, started)
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_leads_nowhere_delays_the_connection_by_250_ms() {
        let (connected, took, _) =
            run(&[("[2001:db8::1]:1", Never), ("192.0.2.1:1", After(20))]).await;
        assert_eq!(connected.unwrap(), "192.0.2.1:1");
        assert_eq!(took, 270);
    }

    #[tokio::test(start_paused = true)]
    async fn the_families_take_turns() {
        let (connected, _, started) = run(&[
            ("[2001:db8::1]:1", Never),
            ("[2001:db8::2]:1", Never),
            ("[2001:db8::3]:1", Never),
            ("192.0.2.1:1", Never),
            ("192.0.2.2:1", After(0)),
        ])
        .await;
        assert_eq!(connected.unwrap(), "192.0.2.2:1");
        let expected = [
            ("[2001:db8::1]:1", 0),
            ("192.0.2.1:1", 250),
            ("[2001:db8::2]:1", 500),
            ("192.0.2.2:1", 750),
        ];
        assert_eq!(
            started,
            expected.map(|(address, at)| (address.to_owned(), at))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_starts_the_next_attempt_at_once() {
        let (connected, took, _) = run(&[
            ("[2001:db8::1]:1", RefusedAfter(10)),
            ("192.0.2.1:1", After(10)),
        ])
        .await;
        assert_eq!(connected.unwrap(), "192.0.2.1:1");
        assert_eq!(took, 20);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_address_wins_if_it_is_the_first_to_connect() {
        let (connected, took, _) =
            run(&[("[2001:db8::1]:1", After(300)), ("192.0.2.1:1", After(100))]).await;
        assert_eq!(connected.unwrap(), "[2001:db8::1]:1");
        assert_eq!(took, 300);
    }

    #[tokio::test(start_paused = true)]
    async fn it_fails_once_every_attempt_has_failed() {
        let (connected, took, _) = run(&[
            ("[2001:db8::1]:1", RefusedAfter(1000)),
            ("192.0.2.1:1", RefusedAfter(10)),
        ])
        .await;
        assert_eq!(
            connected.unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
        assert_eq!(took, 1000);
        let (connected, ..) = run(&[]).await;
        assert_eq!(connected.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_listener_of_either_family_is_reached() {
        for host in ["127.0.0.1", "::1"] {
            let listener = net::TcpListener::bind((host, 0)).unwrap();
            let address = listener.local_addr().unwrap();
            let stream = connect(host, address.port()).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), address);
        }
    }

    #[test]
    fn a_program_without_a_runtime_connects_too() {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stream = connect_blocking(&[address], Some(Duration::from_secs(10))).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        drop(listener);
        let error = connect_blocking(&[address], None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
