//! Traffic in both directions, in random pieces.

use super::traffic::pattern;
use super::*;

/// A generator of numbers (xorshift64*), so that a seed repeats a run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        number as usize % bound
    }

    /// Returns a size that is often small, and at most 16 KiB.
    fn size(&mut self) -> usize {
        let bits = self.below(15);
        1 + self.below(1 << bits)
    }
}

/// The bytes of one direction: so many were sent, and so many of these received.
struct Flow {
    bytes: Vec<u8>,
    sent: usize,
    received: usize,
}

impl Flow {
    fn new(start: usize) -> Self {
        Self {
            bytes: pattern(start + (1 << 19)).split_off(start),
            sent: 0,
            received: 0,
        }
    }

    fn next(&self, count: usize) -> Vec<u8> {
        self.bytes[self.sent..][..count].to_vec()
    }

    fn receive(&mut self, bytes: &[u8], seed: u64) {
        let end = self.received + bytes.len();
        assert!(end <= self.sent, "seed {seed}");
        assert!(self.bytes[self.received..end] == *bytes, "seed {seed}");
        self.received = end;
    }
}

/// Runs one connection for some hundred steps.
fn run(seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let version = VERSIONS[random.below(2)];
    let mut pair = Pair::new(version);
    let (mut up, mut down) = (Flow::new(0), Flow::new(77));
    // What is on its way to the server.
    let mut line = VecDeque::new();
    for _ in 0..300 {
        match random.below(10) {
            0 | 1 => {
                let bytes = up.next(random.size());
                up.sent += bytes.len();
                line.extend(pair.sealed_by_client(&bytes));
            }
            2 if version.version == TLS13.version => {
                pair.client.refresh_traffic_keys().unwrap();
                line.extend(pair.sent_by_client());
            }
            2..=4 => {
                let count = random.size().min(line.len());
                pair.server.stream.input.extend(line.drain(..count));
                pair.server.stream.step = random.size();
            }
            5 | 6 => {
                let size = random.size();
                if let Poll::Ready(read) = pair.read(size) {
                    up.receive(&read.unwrap(), seed);
                }
            }
            7 | 8 => {
                let bytes = down.next(random.size());
                let lines = bytes.chunks(random.size());
                if let Poll::Ready(count) = pair.server.poll_write_lines(&mut context(), lines) {
                    down.sent += count.unwrap();
                }
            }
            _ => {
                pair.server.stream.room = random.size();
                // Whether everything is sent is checked at the end.
                let _ = pair.flush();
                pair.deliver_to_client();
                let read = pair.read_by_client();
                down.receive(&read, seed);
            }
        }
        assert!(pair.server.incomplete.len() < SEALED, "seed {seed}");
        assert!(pair.server.unread.len() <= SEALED + RECEIVE, "seed {seed}");
        assert!(pair.server.unsent.len() <= SEALED, "seed {seed}");
    }
    pair.server.stream.input.extend(line);
    let read = pair.read_all();
    up.receive(&read, seed);
    pair.server.stream.room = usize::MAX;
    assert!(pair.flush().is_ready());
    pair.deliver_to_client();
    let read = pair.read_by_client();
    down.receive(&read, seed);
    let (received, sent) = ((up.received, down.received), (up.sent, down.sent));
    assert_eq!(received, sent, "seed {seed}");
    assert_idle(&pair.server);
}

#[test]
fn both_ends_receive_what_the_other_sends_in_random_pieces() {
    for seed in 1..=40 {
        run(seed);
    }
}

/// Runs a connection on which one byte of the client is changed, during the handshake or after it.
/// Returns whether the server has noticed.
fn run_changed(seed: u64) -> bool {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut config = client_config(VERSIONS[random.below(2)]);
    config.max_fragment_size = [None, Some(32), Some(500)][random.below(3)];
    let mut pair = Pair::starting(new_client(config), server_config(), random.size());
    let sent = pattern(2000);
    io::Write::write_all(&mut pair.client.writer(), &sent).unwrap();
    let (mut until_changed, mut received) = (random.below(6000), Vec::new());
    let mut is_established = false;
    for _ in 0..20 {
        let mut bytes = pair.sent_by_client();
        if let Some(byte) = bytes.get_mut(until_changed) {
            *byte ^= 1 << random.below(8);
        }
        until_changed = until_changed.wrapping_sub(bytes.len());
        pair.server.stream.input.extend(bytes);
        let end = if is_established {
            match pair.read(random.size()) {
                Poll::Ready(Ok(read)) => {
                    received.extend(read);
                    continue;
                }
                Poll::Ready(Err(error)) => Err(error),
                Poll::Pending => Ok(()),
            }
        } else {
            let polled = pair.server.poll_handshake(&mut context());
            is_established = matches!(polled, Poll::Ready(Ok(())));
            match polled {
                Poll::Ready(result) => result,
                Poll::Pending => Ok(()),
            }
        };
        if let Err(error) = end {
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "seed {seed}");
            assert!(matches!(pair.read(100), Poll::Ready(Err(_))), "seed {seed}");
            assert!(pair.shut_down().is_ready(), "seed {seed}");
            assert_idle(&pair.server);
            return true;
        }
        // The client may fail too, as the server may have understood something else.
        if pair.try_deliver_to_client().is_err() {
            break;
        }
    }
    assert!(sent.starts_with(&received), "seed {seed}");
    received.len() < sent.len()
}

#[test]
fn a_changed_byte_ends_the_connection_and_is_never_read() {
    let noticed = (1..=200).filter(|&seed| run_changed(seed)).count();
    // In some runs, the client sends fewer bytes than that.
    assert!((100..200).contains(&noticed), "{noticed}");
}
