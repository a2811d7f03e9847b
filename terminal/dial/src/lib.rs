//! Connects to a host that has several addresses, some of which may lead nowhere, or to a server of
//! somebody else: another user of the machine can listen on an address of `localhost` that the
//! server does not use.
//!
//! This is the connection algorithm of Happy Eyeballs (RFC 8305 §4 and §5). Addresses of both
//! families take turns. An attempt that has neither succeeded nor failed after a quarter of a
//! second remains under way while the next one starts, and the first connection wins. A host whose
//! IPv6 is broken is therefore reached nearly as fast as one without.
//!
//! The order within a family is that of the system's resolver, which applies RFC 6724. If the
//! handshake over the connection fails or takes long, the other addresses are tried. The crate
//! knows neither TLS nor any protocol; the caller sets the time limit.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The time after which the next attempt starts while the previous one is under way (RFC 8305 §5,
/// "Connection Attempt Delay").
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The time after which a handshake that is under way no longer keeps the other addresses from
/// being tried, and the time that the others have for connecting once a handshake has failed.
const PATIENCE: Duration = Duration::from_secs(3);

/// Returns the addresses of a host, with a port.
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

/// Connects to the first of a host's addresses with which `handshake` succeeds, and returns its
/// result. A handshake that takes long goes on while the other addresses are tried.
///
/// # Errors
///
/// If there is none, the first error about which the user can decide, as `is_decisive` says, or
/// else the first error. Once there is a decisive one, no other address is waited for without end.
pub async fn connect<S, E: From<io::Error>>(
    addresses: Vec<SocketAddr>,
    handshake: impl AsyncFn(TcpStream) -> Result<S, E>,
    is_decisive: impl Fn(&E) -> bool,
) -> Result<S, E> {
    connect_by(TcpStream::connect, addresses, handshake, is_decisive).await
}

/// Connects like [`connect`], with streams that `dial` returns.
async fn connect_by<T, F, S, E>(
    dial: impl Fn(SocketAddr) -> F + Copy + Send + 'static,
    addresses: Vec<SocketAddr>,
    handshake: impl AsyncFn(T) -> Result<S, E>,
    is_decisive: impl Fn(&E) -> bool,
) -> Result<S, E>
where
    F: Future<Output = io::Result<T>> + Send + 'static,
    T: Send + 'static,
    E: From<io::Error>,
{
    let mut untried = addresses;
    let mut failure: Option<E> = None;
    let mut handshakes = Vec::new();
    // The address of the handshake that began last, and until when only that is waited for.
    let mut latest = None;
    let mut patience = Instant::now();
    loop {
        let is_decided = failure.as_ref().is_some_and(&is_decisive);
        let has_next = !untried.is_empty() || is_decided || handshakes.is_empty();
        let others = untried.clone();
        let has_failed = failure.is_some();
        let next = async {
            tokio::time::sleep_until(patience).await;
            let connecting = race(others, move |address| {
                let stream = dial(address);
                async move { Ok((address, stream.await?)) }
            });
            if has_failed {
                within_patience(connecting).await
            } else {
                connecting.await
            }
        };
        tokio::select! {
            (address, result) = first_of(&mut handshakes) => {
                let error = match result {
                    Ok(connection) => return Ok(connection),
                    Err(error) => error,
                };
                failure = match failure {
                    Some(first) if is_decided || !is_decisive(&error) => Some(first),
                    _ => Some(error),
                };
                if latest == Some(address) {
                    patience = Instant::now();
                }
            }
            connected = next, if has_next => match connected {
                Ok((address, stream)) => {
                    untried.retain(|other| *other != address);
                    let handshake = &handshake;
                    handshakes.push(Box::pin(async move { (address, handshake(stream).await) }));
                    latest = Some(address);
                    patience = Instant::now() + PATIENCE;
                }
                Err(error) if is_decided || handshakes.is_empty() => {
                    return Err(failure.unwrap_or_else(|| error.into()));
                }
                Err(_) => untried.clear(),
            },
        }
    }
}

/// Waits for the first of the futures that ends, and removes it. Without any, it never ends.
async fn first_of<F: Future>(futures: &mut Vec<Pin<Box<F>>>) -> F::Output {
    std::future::poll_fn(|context| {
        for index in 0..futures.len() {
            if let Poll::Ready(output) = futures[index].as_mut().poll(context) {
                drop(futures.swap_remove(index));
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    })
    .await
}

/// Connects like [`connect`], for a program without a tokio runtime.
///
/// # Errors
///
/// Also with [`io::ErrorKind::TimedOut`] after `limit`, if there is one.
pub fn connect_blocking<S, E: From<io::Error>>(
    addresses: Vec<SocketAddr>,
    handshake: impl AsyncFn(TcpStream) -> Result<S, E>,
    is_decisive: impl Fn(&E) -> bool,
    limit: Option<Duration>,
) -> Result<S, E> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let connecting = connect(addresses, handshake, is_decisive);
        match limit {
            None => connecting.await,
            Some(limit) => tokio::time::timeout(limit, connecting)
                .await
                .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into())),
        }
    })
}

async fn within_patience<S>(attempt: impl Future<Output = io::Result<S>>) -> io::Result<S> {
    tokio::time::timeout(PATIENCE, attempt)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
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
            let listener = std::net::TcpListener::bind((host, 0)).unwrap();
            let address = listener.local_addr().unwrap();
            let addresses = resolve(host, address.port()).await.unwrap();
            let peer = connect(addresses, async |stream| stream.peer_addr(), |_| false).await;
            assert_eq!(peer.unwrap(), address);
        }
    }

    #[test]
    fn a_program_without_a_runtime_connects_too() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let peer = |limit| {
            let handshake = async |stream: TcpStream| stream.peer_addr();
            connect_blocking(vec![address], handshake, |_| false, limit)
        };
        assert_eq!(peer(Some(Duration::from_secs(10))).unwrap(), address);
        drop(listener);
        let error = peer(None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    /// What happens at an address: nothing answers there, or the handshake takes so many seconds
    /// and then succeeds, or fails with an error.
    type Behaviour = Option<(u64, Result<(), io::ErrorKind>)>;

    /// Connects, with paused time, to addresses that behave like this. Returns the index of the one
    /// that is used, and the seconds that it took.
    async fn handshakes(behaviours: &[Behaviour]) -> (io::Result<u16>, u64) {
        let address = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let ports = 0_u16..;
        let addresses = ports.take(behaviours.len()).map(address).collect();
        let answering: Vec<bool> = behaviours.iter().map(Option::is_some).collect();
        let answering: &'static [bool] = answering.leak();
        let dial = move |address: SocketAddr| async move {
            if answering[usize::from(address.port())] {
                Ok(address.port())
            } else {
                Err(io::ErrorKind::ConnectionRefused.into())
            }
        };
        let handshake = async |port: u16| {
            let (seconds, result) = behaviours[usize::from(port)].unwrap();
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            result.map(|()| port).map_err(io::Error::from)
        };
        let is_decisive = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        let began = Instant::now();
        let connected = connect_by(dial, addresses, handshake, is_decisive).await;
        (connected, began.elapsed().as_secs())
    }

    const SILENT: Behaviour = Some((3600, Ok(())));
    const UNKNOWN_CERTIFICATE: Behaviour = Some((0, Err(io::ErrorKind::PermissionDenied)));
    const NO_TLS: Behaviour = Some((0, Err(io::ErrorKind::UnexpectedEof)));
    const REFUSED: Behaviour = None;

    #[tokio::test(start_paused = true)]
    async fn an_address_whose_handshake_fails_leads_to_the_next_one() {
        for (first, seconds) in [(UNKNOWN_CERTIFICATE, 0), (NO_TLS, 0), (SILENT, 3)] {
            let (used, took) = handshakes(&[first, Some((0, Ok(())))]).await;
            assert_eq!((used.unwrap(), took), (1, seconds), "{first:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_about_which_the_user_can_decide_is_not_lost() {
        for (behaviours, seconds) in [
            (&[UNKNOWN_CERTIFICATE, NO_TLS][..], 0),
            (&[NO_TLS, UNKNOWN_CERTIFICATE], 0),
            (&[UNKNOWN_CERTIFICATE, REFUSED], 0),
            (&[UNKNOWN_CERTIFICATE, SILENT], 3),
            (&[SILENT, UNKNOWN_CERTIFICATE], 3),
            (&[UNKNOWN_CERTIFICATE, SILENT, SILENT], 6),
        ] {
            let (used, took) = handshakes(behaviours).await;
            let error = used.unwrap_err().kind();
            let expected = (io::ErrorKind::PermissionDenied, seconds);
            assert_eq!((error, took), expected, "{behaviours:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_handshake_goes_on_while_the_other_addresses_are_tried() {
        const SLOW: Behaviour = Some((9, Ok(())));
        for (behaviours, index, seconds) in [
            (&[SLOW, REFUSED][..], 0, 9),
            (&[REFUSED, SLOW], 1, 9),
            (&[SLOW, SILENT], 0, 9),
            (&[NO_TLS, SLOW], 1, 9),
            (
                &[SLOW, UNKNOWN_CERTIFICATE, NO_TLS, Some((1, Ok(())))],
                3,
                4,
            ),
        ] {
            let (used, took) = handshakes(behaviours).await;
            assert_eq!((used.unwrap(), took), (index, seconds), "{behaviours:?}");
        }
    }
}
