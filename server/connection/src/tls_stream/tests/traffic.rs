//! What is sent and received after the handshake.

use super::*;

/// Returns bytes of which no two pieces are alike.
pub(super) fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at ^ (at >> 8) ^ (at >> 13)).to_le_bytes()[0])
        .collect()
}

/// Returns the number of records in `bytes`.
fn records(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let [_, _, _, high, low, rest @ ..] = bytes {
        bytes = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
        count += 1;
    }
    assert!(bytes.is_empty());
    count
}

#[test]
fn a_record_may_be_split_at_each_byte() {
    for version in VERSIONS {
        let mut pair = Pair::new(version);
        let sent = pattern(100);
        let length = pair.sealed_by_client(&sent).len();
        pair = Pair::new(version);
        for split in 1..length {
            let record = pair.sealed_by_client(&sent);
            pair.server.stream.input.extend(&record[..split]);
            assert!(pair.read(4096).is_pending());
            pair.server.stream.input.extend(&record[split..]);
            assert_eq!(pair.read_all(), sent);
            assert_idle(&pair.server);
        }
    }
}

#[test]
fn records_of_all_sizes_are_received_in_pieces_of_any_size() {
    const SIZES: [usize; 12] = [
        1, 2, 500, 4064, 4074, 4095, 4096, 4097, 8192, 16_383, 16_384, 40_000,
    ];
    for version in VERSIONS {
        let mut pair = Pair::new(version);
        for size in SIZES {
            for step in [1, 1000, 4096] {
                pair.server.stream.step = step;
                let sent = pattern(size);
                let sealed = pair.sealed_by_client(&sent);
                pair.server.stream.input.extend(sealed);
                assert_eq!(pair.read_all(), sent);
                assert_idle(&pair.server);
            }
        }
    }
}

#[test]
fn many_records_at_once_are_read_in_any_portions() {
    let mut pair = Pair::new(&TLS13);
    let sent = pattern(3000);
    for line in sent.chunks(30) {
        let sealed = pair.sealed_by_client(line);
        pair.server.stream.input.extend(sealed);
    }
    let mut read = Vec::new();
    while let Poll::Ready(portion) = pair.read(7) {
        read.extend(portion.unwrap());
    }
    assert_eq!(read, sent);
    assert_idle(&pair.server);
}

#[test]
fn data_that_arrives_with_the_end_of_the_handshake_is_read() {
    for version in VERSIONS {
        let mut pair = Pair::starting(new_client(client_config(version)), server_config(), 4096);
        io::Write::write_all(&mut pair.client.writer(), b"NICK a\r\n").unwrap();
        while pair.poll_handshake().unwrap().is_pending() {
            pair.deliver_to_client();
        }
        pair.deliver_to_client();
        pair.deliver_to_server();
        assert_eq!(pair.read_all(), b"NICK a\r\n");
        assert_idle(&pair.server);
    }
}

#[test]
fn lines_are_sent_as_one_record_up_to_its_size() {
    for version in VERSIONS {
        let mut pair = Pair::new(version);
        let sent = pattern(20_000);
        let lines: Vec<_> = sent.chunks(300).collect();
        let mut write = |lines: &[&[u8]]| {
            let lines = lines.iter().copied();
            let Poll::Ready(written) = pair.server.poll_write_lines(&mut context(), lines) else {
                panic!("there is room");
            };
            (written.unwrap(), records(&pair.server.stream.output))
        };
        assert_eq!(write(&lines[..10]), (3000, 1));
        assert_eq!(write(&lines[10..]), (MAX_PLAINTEXT, 2));
        assert_eq!(write(&[]), (0, 2));
        pair.deliver_to_client();
        assert_eq!(pair.read_by_client(), sent[..3000 + MAX_PLAINTEXT]);
        assert_idle(&pair.server);
    }
}

#[test]
fn of_what_a_client_does_not_read_one_record_is_held() {
    for version in VERSIONS {
        let mut pair = Pair::new(version);
        let sent = pattern(1 << 18);
        let (mut written, mut held) = (0, 0);
        while written < sent.len() {
            match pair.write(&sent[written..]) {
                Poll::Ready(count) => {
                    let count = count.unwrap();
                    assert!((1..=MAX_PLAINTEXT).contains(&count));
                    written += count;
                }
                Poll::Pending => {
                    held = held.max(pair.server.unsent.capacity());
                    pair.server.stream.room = 1000;
                }
            }
            if pair.server.stream.room > 1000 {
                pair.server.stream.room = 1000;
            }
        }
        assert!((MAX_PLAINTEXT - 1000..=SEALED).contains(&held), "{held}");
        assert!(pair.flush().is_pending());
        pair.server.stream.room = usize::MAX;
        assert!(pair.flush().is_ready());
        assert_idle(&pair.server);
        pair.deliver_to_client();
        assert_eq!(pair.read_by_client(), sent);
    }
}

#[test]
fn a_client_that_closes_is_read_to_its_end_and_can_still_be_written_to() {
    for version in VERSIONS {
        let mut pair = Pair::new(version);
        let mut last = pair.sealed_by_client(b"QUIT\r\n");
        pair.client.send_close_notify();
        last.extend(pair.sent_by_client());
        // What follows a `close_notify` is not read.
        last.extend([0; 100]);
        pair.server.stream.input.extend(last);
        assert!(matches!(pair.read(4096), Poll::Ready(Ok(read)) if read == b"QUIT\r\n"));
        for _ in 0..2 {
            assert!(matches!(pair.read(4096), Poll::Ready(Ok(read)) if read.is_empty()));
        }
        assert!(matches!(pair.write(b"bye"), Poll::Ready(Ok(3))));
        assert!(pair.shut_down().is_ready());
        assert_eq!(records(&pair.server.stream.output), 2);
        pair.deliver_to_client();
        assert_eq!(pair.read_by_client(), b"bye");
        assert_idle(&pair.server);
    }
}

#[test]
fn a_shutdown_sends_close_notify_once_and_discards_what_still_arrives() {
    for version in VERSIONS {
        let mut pair = Pair::new(version);
        assert!(matches!(pair.write(b"bye"), Poll::Ready(Ok(3))));
        pair.server.stream.room = 10;
        assert!(pair.shut_down().is_pending(), "the alert waits for room");
        pair.server.stream.room = usize::MAX;
        assert!(pair.shut_down().is_ready());
        assert!(pair.shut_down().is_ready());
        assert!(pair.server.stream.is_shut);
        assert_eq!(records(&pair.server.stream.output), 2);
        pair.deliver_to_client();
        assert_eq!(pair.read_by_client(), b"bye");
        let state = pair.client.process_new_packets().unwrap();
        assert!(state.peer_has_closed());
        assert!(matches!(pair.write(b"more"), Poll::Ready(Err(error))
            if error.kind() == io::ErrorKind::BrokenPipe));
        let late = pair.sealed_by_client(b"PRIVMSG #a :late\r\n");
        pair.server.stream.input.extend(late);
        pair.server.stream.input.extend([0xff; 10_000]);
        assert!(pair.read(4096).is_pending());
        pair.server.stream.is_closed = true;
        assert!(matches!(pair.read(4096), Poll::Ready(Ok(read)) if read.is_empty()));
        assert_idle(&pair.server);
    }
}

#[test]
fn a_connection_that_ends_without_close_notify_is_truncated() {
    for version in VERSIONS {
        for extra in [0, 10] {
            let mut pair = Pair::new(version);
            let sealed = pair.sealed_by_client(b"PING a\r\n");
            let next = pair.sealed_by_client(b"PING b\r\n");
            let arrived = sealed.iter().chain(&next[..extra]);
            pair.server.stream.input.extend(arrived);
            pair.server.stream.is_closed = true;
            assert!(matches!(pair.read(4096), Poll::Ready(Ok(read)) if read == b"PING a\r\n"));
            for _ in 0..2 {
                assert!(matches!(pair.read(4096), Poll::Ready(Err(error))
                    if error.kind() == io::ErrorKind::UnexpectedEof));
            }
        }
    }
    let mut server = new_server(server_config(), usize::MAX);
    server.stream.is_closed = true;
    let result = server.poll_handshake(&mut context());
    assert!(matches!(result, Poll::Ready(Err(error))
        if error.kind() == io::ErrorKind::UnexpectedEof));
}
