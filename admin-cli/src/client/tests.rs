//! Tests of the client against servers that behave in unusual ways.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use rookery_control_api::Problem;
use rustls::RootCertStore;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use serde_json::Value;

use super::fake_server::{Act, BUSY, FakeServer, OK, server_config, start};
use super::*;

fn new(server: &str, ca: Option<PathBuf>) -> Result<Client, Failure> {
    let ca = ca.map(|path| AuthorityFile {
        path,
        is_named: true,
    });
    Client::new(server.parse().unwrap(), ca, PinPolicy::FirstUse, None)
}

#[test]
fn an_unreadable_authority_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "nothing").unwrap();
    for file in [folder.path().join("missing.pem"), empty] {
        let Err(failure) = new("h:1", Some(file.clone())) else {
            panic!("{file:?} is no authority");
        };
        assert!(
            failure.to_string().contains(&*file.to_string_lossy()),
            "{failure}"
        );
    }
}

#[test]
fn an_authority_file_that_was_not_named_is_read_only_while_nobody_else_can_write_it() {
    let folder = tempfile::tempdir().unwrap();
    let set_mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    set_mode(folder.path(), 0o700);
    let file = folder.path().join("ca.pem");
    let authority = rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap();
    fs::write(&file, authority.cert.pem()).unwrap();
    for (mode, is_named, is_read) in [
        (0o644, false, true),
        (0o646, false, false),
        (0o646, true, true),
    ] {
        set_mode(&file, mode);
        let ca = AuthorityFile {
            path: file.clone(),
            is_named,
        };
        let server = "h:1".parse().unwrap();
        let client = Client::new(server, Some(ca), PinPolicy::FirstUse, None);
        match client.map_err(|failure| failure.to_string()) {
            Ok(_) => assert!(is_read, "{mode:o}"),
            Err(failure) => assert!(!is_read && failure.contains("--ca"), "{failure}"),
        }
    }
}

#[test]
fn the_lines_of_a_stream_are_read_as_they_are_up_to_a_limit() {
    let mut stream = &b"data: 1\r\n\ndata: 2"[..];
    let lines = std::iter::from_fn(|| read_line(&mut stream).unwrap());
    assert_eq!(lines.collect::<Vec<_>>(), ["data: 1", "", "data: 2"]);
    let error = read_line(&mut BufReader::new(io::repeat(b'x'))).unwrap_err();
    assert!(error.to_string().contains("too long"), "{error}");
}

/// Starts a server that answers nothing but `100 Continue`, without end. Returns its address and
/// its certificate.
fn flooding_server() -> (String, CertificatePin) {
    let (config, pin) = server_config(Arc::new(NoClientAuth));
    let address = start(config, |mut stream| {
        let replies = "HTTP/1.1 100 Continue\r\n\r\n".repeat(500);
        while stream.write_all(replies.as_bytes()).is_ok() {}
    });
    (address, pin)
}

fn post(client: &Client) -> Result<(), Failure> {
    client.post::<Value>("/v1/bans", &"x").map(drop)
}

#[test]
fn a_request_is_tried_again_after_the_server_has_closed_the_connection_before_it_was_sent() {
    let server = FakeServer::start(&[Act::Close, Act::Close, OK]);
    post(&server.client).unwrap();
    let requests = server.requests(3);
    assert!(requests[..2].concat().is_empty() && requests[2].ends_with("\"x\""));

    let server = FakeServer::start(&[Act::Close]);
    let failure = post(&server.client).unwrap_err().to_string();
    assert!(failure.contains("closed the connection"), "{failure}");
    assert!(!failure.contains("client_ca"), "{failure}");
    server.requests(5);
}

#[test]
fn a_request_that_may_have_been_carried_out_is_tried_again_only_if_it_does_nothing_twice() {
    let server = FakeServer::start(&[Act::CloseUnanswered, OK]);
    let failure = post(&server.client).unwrap_err().to_string();
    assert!(failure.contains("closed the connection"), "{failure}");
    assert!(!failure.contains("client_ca"), "{failure}");
    assert_eq!(server.requests(1).len(), 1);

    let server = FakeServer::start(&[Act::CloseUnanswered, OK]);
    server.client.get::<Value>("/v1/bans").unwrap();
    assert_eq!(server.requests(2).len(), 2);

    let in_progress = r#"{"type":"/problems/in-progress","title":"","status":409,"detail":""}"#;
    let in_progress = Act::Reply("409 Conflict", "", in_progress);
    let server = FakeServer::start(&[Act::CloseUnanswered, in_progress, OK]);
    let signed_in = server.client.with_token("token".to_owned());
    post(&signed_in).unwrap();
    post(&signed_in).unwrap();
    let requests = server.requests(4);
    assert!(requests[0].to_lowercase().contains("idempotency-key: "));
    assert_eq!(requests[..2], requests[1..3], "it has the same key");
    assert_ne!(requests[2], requests[3], "another one has another key");
}

#[test]
fn a_request_without_a_key_is_not_sent_again() {
    let server = FakeServer::start(&[Act::CloseUnanswered, OK]);
    let signed_in = server.client.with_token("token".to_owned());
    let failure = signed_in.put::<Value>("/v1/password", &"x").err().unwrap();
    assert!(says_that_it_may_be_done(&failure), "{failure}");
    let requests = server.requests(1);
    assert!(!requests[0].to_lowercase().contains("idempotency-key"));
}

fn says_that_it_may_be_done(failure: &Failure) -> bool {
    failure.to_string().contains("may have been carried out")
}

#[test]
fn a_command_may_have_been_carried_out_if_an_answer_was_lost_unless_the_server_refuses_it() {
    let failed =
        r#"{"type":"/problems/unavailable","title":"","status":500,"detail":"It failed."}"#;
    let failed = Act::Reply("500 Internal Server Error", "", failed);
    let in_progress =
        r#"{"type":"/problems/in-progress","title":"","status":409,"detail":"Ask later."}"#;
    let in_progress = Act::Reply("409 Conflict", "", in_progress);
    let refused = r#"{"type":"/problems/not-online","title":"","status":404,"detail":"No."}"#;
    let refused = Act::Reply("404 Not Found", "", refused);
    let ended = r#"{"type":"/problems/not-signed-in","title":"","status":401,"detail":""}"#;
    let ended = Act::Reply("401 Unauthorized", "", ended);
    let busy = r#"{"type":"/problems/too-many","title":"","status":429,"detail":"Too many."}"#;
    let busy = Act::Reply("429 Too Many Requests", "", busy);
    let of_proxy = Act::Reply("502 Bad Gateway", "", "<html>");
    for (acts, connections, is_unknown) in [
        (&[of_proxy][..], 1, true),
        (&[Act::CloseUnanswered, busy], 2, true),
        (&[Act::CloseUnanswered], 5, true),
        (&[Act::CloseUnanswered, failed], 2, true),
        (&[Act::CloseUnanswered, in_progress], 5, true),
        (&[Act::CloseUnanswered, ended], 2, true),
        (&[Act::CloseUnanswered, refused], 2, false),
        (&[Act::Close, ended], 2, false),
        (&[BUSY, ended], 2, false),
        (&[failed], 1, false),
    ] {
        let server = FakeServer::start(acts);
        let failure = post(&server.client.with_token("token".to_owned())).unwrap_err();
        server.requests(connections);
        assert_eq!(says_that_it_may_be_done(&failure), is_unknown, "{failure}");
        if let Failure::NotSignedIn { may_be_done, .. } = failure {
            assert_eq!(may_be_done, is_unknown, "or the shell repeats it");
            assert!(failure.to_string().contains("`admin-cli login`"));
            assert_eq!(failure.exit_code(), 3);
        }
    }
}

#[test]
fn a_busy_server_is_asked_again_after_the_pause_that_it_asks_for() {
    let Act::Reply(status, _, body) = BUSY else {
        unreachable!()
    };
    let server = FakeServer::start(&[BUSY, OK]);
    let start = Instant::now();
    post(&server.client).unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.requests(2).len(), 2);
    for head in ["", "Retry-After: 60\r\n"] {
        let server = FakeServer::start(&[Act::Reply(status, head, body)]);
        assert_eq!(post(&server.client).unwrap_err().to_string(), "Wait.");
        server.requests(1);
    }
}

#[test]
fn a_server_that_requires_a_certificate_is_recognised_even_if_sending_fails() {
    let authority = rcgen::generate_simple_self_signed(["authority".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let (config, pin) = server_config(verifier.build().unwrap());
    let address = start(config, |mut stream| {
        let read = stream.read(&mut [0]);
        assert!(read.is_err(), "there is no certificate");
    });
    let server = address.parse().unwrap();
    let client = Client::new(server, None, PinPolicy::Known(pin), None).unwrap();
    // The server has closed the connection long before all of it is sent.
    let file = vec![b'x'; 64 << 20];
    let failure = client.post_csv::<Value>("/v1/bans/import", &file).err();
    let failure = failure.expect("there is no certificate").to_string();
    assert!(failure.contains("client_ca"), "{failure}");
}

#[test]
fn a_server_that_never_finishes_its_reply_does_not_keep_a_command_running() {
    let (server, pin) = flooding_server();
    let (sender, failures) = mpsc::channel();
    thread::spawn(move || {
        let short = Duration::from_secs(1);
        let policy = PinPolicy::Known(pin);
        let server = server.parse().unwrap();
        let client = Client::with_timeout(server, None, policy, None, short).unwrap();
        sender
            .send(client.get::<Problem>("/healthz").err())
            .unwrap();
        sender.send(client.stream("/v1/events").err()).unwrap();
    });
    for _ in 0..2 {
        let failure = failures.recv_timeout(Duration::from_secs(30)).unwrap();
        let failure = failure.expect("there is no reply").to_string();
        assert!(failure.contains("did not reply in time"), "{failure}");
    }
}

#[test]
fn an_unreachable_server_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().to_string();
    drop(listener);
    let client = new(&server, None).unwrap();
    let Err(failure) = client.get::<Problem>("/healthz") else {
        panic!("no server is running")
    };
    assert!(
        failure.to_string().contains("cannot be reached"),
        "{failure}"
    );
    assert!(failure.to_string().contains(&server), "{failure}");
    assert_eq!(failure.exit_code(), 1);
}
