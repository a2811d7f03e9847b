//! Clients that violate the protocol, or use it to cause work.

use rustls::{AlertDescription, Error, InvalidMessage, PeerMisbehaved};

use super::traffic::pattern;
use super::*;

/// Returns the error of rustls that `result` wraps.
fn refused<T>(result: Poll<io::Result<T>>) -> Error {
    match result {
        Poll::Ready(Err(error)) => {
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            let error = error.into_inner().unwrap();
            error.downcast_ref::<Error>().unwrap().clone()
        }
        Poll::Ready(Ok(_)) => panic!("it is accepted"),
        Poll::Pending => panic!("it is not refused yet"),
    }
}

/// Asserts that the connection has ended, and that the client receives this alert.
fn assert_failed(pair: &mut Pair, alert: AlertDescription) {
    assert!(matches!(pair.read(4096), Poll::Ready(Err(error))
        if error.kind() == io::ErrorKind::InvalidData));
    assert!(matches!(pair.write(b"more"), Poll::Ready(Err(error))
        if error.kind() == io::ErrorKind::BrokenPipe));
    assert!(pair.shut_down().is_ready());
    assert_eq!(
        pair.try_deliver_to_client(),
        Err(Error::AlertReceived(alert))
    );
    assert_idle(&pair.server);
}

/// Returns a record that was changed on its way.
fn changed(pair: &mut Pair, plaintext: &[u8]) -> Vec<u8> {
    let mut record = pair.sealed_by_client(plaintext);
    *record.last_mut().unwrap() ^= 1;
    record
}

#[test]
fn a_record_that_was_changed_ends_the_connection_with_an_alert() {
    for version in VERSIONS {
        // Whether there is room for the alert at once; otherwise the shutdown sends it.
        for room in [usize::MAX, 0] {
            let mut pair = Pair::new(version);
            let good = pair.sealed_by_client(b"PING a\r\n");
            pair.server.stream.input.extend(good);
            assert_eq!(pair.read_all(), b"PING a\r\n");
            let bad = changed(&mut pair, &pattern(9000));
            pair.server.stream.input.extend(bad);
            pair.server.stream.room = room;
            assert_eq!(refused(pair.read(4096)), Error::DecryptError);
            assert_eq!(pair.server.stream.output.is_empty(), room == 0);
            pair.server.stream.room = usize::MAX;
            assert_failed(&mut pair, AlertDescription::BadRecordMac);
        }
    }
}

#[test]
fn a_bad_record_that_arrives_with_a_good_one_is_noticed() {
    let mut pair = Pair::new(&TLS13);
    let good = pair.sealed_by_client(b"PING a\r\n");
    let bad = changed(&mut pair, b"PING b\r\n");
    pair.server.stream.input.extend(good.into_iter().chain(bad));
    assert_eq!(refused(pair.read(4096)), Error::DecryptError);
    assert_failed(&mut pair, AlertDescription::BadRecordMac);
}

#[test]
fn a_record_that_is_too_long_is_refused_by_its_header() {
    for version in VERSIONS {
        let mut pair = Pair::new(version);
        pair.server.stream.input.extend([23, 3, 3, 0x48, 0x01]);
        let invalid = Error::InvalidMessage(InvalidMessage::MessageTooLarge);
        assert_eq!(refused(pair.read(4096)), invalid);
        assert_failed(&mut pair, AlertDescription::DecodeError);
    }
}

#[test]
fn a_handshake_that_fails_ends_with_an_alert() {
    for version in VERSIONS {
        let mut config = client_config(version);
        config.alpn_protocols = vec![b"gopher".to_vec()];
        let mut pair = Pair::starting(new_client(config), server_config(), 1);
        pair.deliver_to_server();
        let result = pair.server.poll_handshake(&mut context());
        assert_eq!(refused(result), Error::NoApplicationProtocol);
        assert_failed(&mut pair, AlertDescription::NoApplicationProtocol);
    }
}

#[test]
fn bytes_that_are_not_tls_are_refused_at_the_first_header() {
    let mut server = new_server(server_config(), 1);
    server.stream.input.extend(b"NICK");
    // rustls looks at the first byte as soon as it has arrived.
    let result = server.poll_handshake(&mut context());
    let invalid = Error::InvalidMessage(InvalidMessage::InvalidContentType);
    assert_eq!(refused(result), invalid);
}

/// Returns a message of the handshake, with each byte in a record of its own.
fn fragmented(message: &[u8]) -> impl Iterator<Item = [u8; 6]> {
    message.iter().map(|&byte| [22, 3, 1, 0, 1, byte])
}

#[test]
fn a_handshake_message_in_tiny_records_is_bounded() {
    let mut server = new_server(server_config(), 1);
    let mut message = vec![0; 60_000];
    // A `ClientHello` of almost 60,000 bytes.
    message[..4].copy_from_slice(&[1, 0, 0xea, 0]);
    let mut accepted = 0;
    for record in fragmented(&message) {
        server.stream.input.extend(record);
        match server.poll_handshake(&mut context()) {
            Poll::Pending => accepted += record.len(),
            Poll::Ready(result) => {
                assert_eq!(result.unwrap_err().kind(), io::ErrorKind::InvalidData);
                break;
            }
        }
        assert!(server.incomplete.capacity() <= 2 * MAX_INCOMPLETE);
    }
    assert!((MAX_INCOMPLETE - 6..=MAX_INCOMPLETE).contains(&accepted));
    assert_eq!(server.incomplete.capacity(), 0);
}

#[test]
fn a_client_hello_in_tiny_records_is_accepted() {
    for version in VERSIONS {
        let mut pair = Pair::starting(new_client(client_config(version)), server_config(), 3);
        let hello = pair.sent_by_client();
        for record in fragmented(&hello[5..]) {
            assert!(pair.server.poll_handshake(&mut context()).is_pending());
            pair.server.stream.input.extend(record);
        }
        while pair.poll_handshake().unwrap().is_pending() {
            pair.deliver_to_client();
        }
        assert_idle(&pair.server);
    }
}

/// Post-handshake, a message that is split is kept, while the server writes at the same time.
#[test]
fn the_server_may_write_while_a_key_update_is_incomplete() {
    let mut pair = Pair::new(&TLS13);
    pair.client.refresh_traffic_keys().unwrap();
    let update = pair.sent_by_client();
    pair.server.stream.input.extend(&update[..7]);
    assert!(pair.read(4096).is_pending());
    assert!(matches!(pair.write(b"PING a\r\n"), Poll::Ready(Ok(8))));
    pair.server.stream.input.extend(&update[7..]);
    assert!(pair.read(4096).is_pending());
    let sealed = pair.sealed_by_client(b"PONG a\r\n");
    pair.server.stream.input.extend(sealed);
    assert_eq!(pair.read_all(), b"PONG a\r\n");
    pair.deliver_to_client();
    assert_eq!(pair.read_by_client(), b"PING a\r\n");
}

#[test]
fn key_updates_are_answered_once_before_the_next_message_whatever_their_number() {
    let mut pair = Pair::new(&TLS13);
    for _ in 0..100 {
        for _ in 0..20 {
            pair.client.refresh_traffic_keys().unwrap();
        }
        let sealed = pair.sealed_by_client(b"PING a\r\n");
        pair.server.stream.input.extend(sealed);
        assert_eq!(pair.read_all(), b"PING a\r\n");
        assert_idle(&pair.server);
        assert!(matches!(pair.write(b"PONG a\r\n"), Poll::Ready(Ok(8))));
        // An update of five bytes and a message of eight, sealed.
        assert_eq!(pair.server.stream.output.len(), 5 + 8 + 2 * 22);
        pair.deliver_to_client();
        assert_eq!(pair.read_by_client(), b"PONG a\r\n");
    }
}

#[test]
fn a_flood_of_key_updates_without_messages_ends_the_connection() {
    let mut pair = Pair::new(&TLS13);
    let mut updates = 0;
    let end = loop {
        pair.client.refresh_traffic_keys().unwrap();
        pair.deliver_to_server();
        match pair.read(4096) {
            Poll::Pending => assert_idle(&pair.server),
            end @ Poll::Ready(_) => break end,
        }
        updates += 1;
    };
    let flood = PeerMisbehaved::TooManyKeyUpdateRequests;
    assert_eq!(refused(end), Error::PeerMisbehaved(flood));
    assert_eq!(updates, 32);
    assert_eq!(pair.server.stream.output, b"");
}
