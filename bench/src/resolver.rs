//! A resolver that knows no names. ircd-hybrid looks up the name of each address that connects, and
//! would wait for seconds where nothing answers.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::net::UdpSocket;

/// The length of a DNS header (RFC 1035 §4.1.1).
const HEADER: usize = 12;

/// Answers each query that there is no such name (RFC 1035 §4.1.1, RCODE 3).
pub async fn run(address: SocketAddr) -> Result<()> {
    let socket = UdpSocket::bind(address).await?;
    let mut query = [0; 512];
    loop {
        let (length, client) = socket.recv_from(&mut query).await?;
        if length < HEADER {
            continue;
        }
        let mut answer = query[..length].to_vec();
        // A response, recursion available, no such name; the counts of answers remain zero.
        answer[2] = 0x81;
        answer[3] = 0x83;
        answer[6..HEADER].fill(0);
        socket.send_to(&answer, client).await?;
    }
}
