//! The config, the command line, and the exit codes.

use crate::server::{Rook, Server};

#[test]
fn a_server_of_the_config_is_used_by_name_and_its_channels_are_joined() {
    let server = Server::start();
    let home = server.known_home();
    let config = format!(
        "[servers.home]\naddress = \"{}\"\njoin = [\"#ops\", \"#nest sesame\"]\n[servers.b]\naddress = \"b\"\n",
        server.address()
    );
    Server::configure(&home, &config);
    let mut rook = Rook::start(&home, &["home"]);
    let mut session = server.accept();
    session.sign_in();
    let label = session.expect_labelled("JOIN #nest,#ops sesame");
    session.send(&format!("@label={label} :s BATCH +j labeled-response"));
    session.send("@batch=j :alice!a@h JOIN #nest");
    session.send("@batch=j :alice!a@h JOIN #ops");
    session.send(":s BATCH -j");
    rook.expect_output("you joined #ops");
    rook.type_line("still in the lobby");
    session.expect_labelled("PRIVMSG #lobby still in the lobby");
    drop(rook);

    let rook = Rook::start(&home, &["send", "bob", "hi", "--server", "home"]);
    let mut session = server.accept();
    session.sign_in();
    let label = session.expect_labelled("PRIVMSG bob hi");
    session.send(&format!("@label={label} :alice!a@h PRIVMSG bob :hi"));
    session.expect("QUIT");
    drop(session);
    assert_eq!(rook.wait().code, 0);
}

#[test]
fn an_error_in_the_config_names_file_line_and_key() {
    let home = tempfile::tempdir().unwrap();
    Server::configure(
        &home,
        "[servers.home]\naddress = \"a.example\"\nnickname = \"alice\"\n",
    );
    let ended = Rook::start(&home, &["home"]).wait();
    assert_eq!(ended.code, 2, "{ended:?}");
    let file = home.path().join("config/rookery/rook.toml");
    let place = format!("rook: {}:3: unknown key `nickname`, ", file.display());
    assert!(ended.stderr.starts_with(&place), "{ended:?}");
    assert!(
        !std::fs::exists(home.path().join("rookery")).unwrap(),
        "nothing was started"
    );
}

/// Every documented exit code, for each command that scripts run.
#[test]
fn exit_codes_are_as_documented() {
    let server = Server::start();
    let other_home = tempfile::tempdir().unwrap();
    let address = server.address();
    for command in [&["send", "bob", "hi"] as &[_], &["tail", "bob"]] {
        let start = |home: &std::path::Path, server: &str| {
            Rook::start(&home, &[command, &["--server", server]].concat())
        };
        assert_eq!(
            start(&server.known_home(), "localhost:1").wait().code,
            3,
            "no account is stored for it"
        );
        assert_eq!(
            start(other_home.path(), &address).wait().code,
            3,
            "{command:?}"
        );
        assert_eq!(
            start(other_home.path(), "a b").wait().code,
            2,
            "{command:?}"
        );
        for (error, code) in [("Kicked: x", 4), ("Banned: x", 4), ("Server is full", 1)] {
            let rook = start(&server.known_home(), &address);
            let mut session = server.accept();
            session.expect("CAP LS");
            session.send(&format!("ERROR :{error}"));
            drop(session);
            assert_eq!(rook.wait().code, code, "{command:?}: {error}");
        }
        let rook = start(&server.known_home(), &address);
        assert!(server.close_connection(), "{command:?}");
        assert_eq!(rook.wait().code, 1, "{command:?}");
    }
}

#[test]
fn wrong_usage_has_its_own_exit_code() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [
        &["--server", "a b"] as &[_],
        &["send"],
        &["send", "bob", "  "],
        &["tail"],
        &["tail", "#"],
        &["tail", "#ops", "--lines", "many"],
        &["--bogus"],
    ] {
        assert_eq!(
            Rook::start(&home, arguments).wait().code,
            2,
            "{arguments:?}"
        );
    }
}

#[test]
fn completions_and_man_pages_need_neither_config_nor_server() {
    let home = tempfile::tempdir().unwrap();
    Server::configure(&home, "nonsense");
    let ended = Rook::start(&home, &["completions", "bash"]).wait();
    assert_eq!(ended.code, 0, "{ended:?}");
    for word in ["send", "tail", "--server"] {
        assert!(ended.stdout.contains(word), "{word} in {}", ended.stdout);
    }
    let folder = home.path().join("share/man");
    let ended = Rook::start(&home, &["man", folder.to_str().unwrap()]).wait();
    assert_eq!(ended.code, 0, "{ended:?}");
    let page = std::fs::read_to_string(folder.join("rook.1")).unwrap();
    assert!(
        page.contains("not signed in"),
        "the exit codes are documented: {page}"
    );
    assert!(folder.join("rook-tail.1").exists());
    let ended = Rook::start(&home, &["man", "/dev/null/here"]).wait();
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(
        ended.stderr.contains("cannot be written to /dev/null/here"),
        "{ended:?}"
    );
}
