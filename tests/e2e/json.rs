//! With `--json`, every command of `admin-cli` prints JSON and nothing else.

use std::collections::BTreeSet;
use std::fs;

use rookery_tests::admin::{Operator, admin_email};
use rookery_tests::authenticator::App;
use rookery_tests::irc::{Client, device_credential, email_of};
use rookery_tests::process::Exit;
use rookery_tests::server::Server;
use rookery_tests::wait_for;
use serde_json::Value;

/// Parses every line of standard output as JSON, and checks that there is at least one.
fn parsed(command: &str, ended: &Exit) -> Vec<Value> {
    assert!(
        !ended.output.is_empty(),
        "{command} printed nothing:\n{}",
        ended.transcript
    );
    let parse = |line: &String| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{command}: {error} in {line:?}"))
    };
    ended.output.iter().map(parse).collect()
}

/// Returns every command that can be run, read from the names of the man pages. A command that only
/// groups others is left out.
async fn commands(server: &Server, operator: &Operator) -> BTreeSet<String> {
    let folder = server.path("pages");
    let ended = operator
        .run(&["--json", "man", folder.to_str().unwrap()])
        .await;
    parsed("man", &ended);
    let pages: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            Some(
                name.strip_prefix("admin-cli-")?
                    .strip_suffix(".1")?
                    .replace('-', " "),
            )
        })
        .collect();
    let is_group = |page: &str| {
        pages
            .iter()
            .any(|other| other.starts_with(&format!("{page} ")))
    };
    let commands: BTreeSet<String> = pages
        .iter()
        .filter(|page| !is_group(page))
        .cloned()
        .collect();
    assert!(commands.len() > 35, "{commands:?}");
    commands
}

#[tokio::test]
async fn every_command_prints_json_with_the_json_option() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut missing = commands(&server, &operator).await;
    missing.remove("man");
    let mut run = async |command: &str, options: &[&str]| -> Value {
        let words: Vec<&str> = command.split(' ').collect();
        missing.remove(command);
        let ended = operator
            .run(&[&["--json"], &words[..], options].concat())
            .await;
        assert_eq!(ended.code, Some(0), "{command}: {}", ended.transcript);
        parsed(command, &ended).remove(0)
    };
    for name in ["alice", "bob", "carol"] {
        drop(Client::register(&server, name).await);
    }
    let mut alice = Client::sign_in(&server, "alice").await;
    alice.say("#lobby", "good morning").await;
    let mut phone = Client::negotiating(&server, "bob").await;
    phone
        .authenticate("X-EMAIL-CODE", b"bob\0bob@example.org")
        .await;
    let code = server.mailbox().code_to(&email_of("bob")).await;
    phone
        .respond(format!("{code}\0{}", device_credential(2).expose()).as_bytes())
        .await;
    phone.expect_numeric("903").await;
    let mut dora = Client::handshake(&server, "dora").await;
    dora.start_registration("dora", &email_of("dora")).await;

    // Users, channels and messages.
    run("list", &[]).await;
    run("whois", &["alice"]).await;
    run("channels", &[]).await;
    run("channel show", &["lobby"]).await;
    let found = run("messages", &[]).await;
    run("redact", &[found["messages"][0]["msgid"].as_str().unwrap()]).await;
    run("redact", &["--author", "alice", "--dry-run"]).await;
    run("announce", &["tea time"]).await;
    run("kick", &["alice"]).await;
    run("kick", &["--match", "alice", "--dry-run"]).await;
    drop(Client::sign_in(&server, "alice").await);
    run("channel purge", &["lobby", "--yes"]).await;
    let _carol = Client::sign_in(&server, "carol").await;
    run("channel close", &["lobby"]).await;

    // Bans, accounts, invitations.
    run("ban", &["mallory", "--dry-run"]).await;
    run("ban", &["mallory"]).await;
    run("bans", &[]).await;
    run("unban", &["mallory"]).await;
    run("accounts", &[]).await;
    run("account disable", &["carol"]).await;
    run("account enable", &["carol"]).await;
    let devices = run("account credentials", &["bob"]).await;
    let device = devices["credentials"][0]["id"].to_string();
    run("account revoke", &["bob", "--credential", &device]).await;
    run("account delete", &["carol", "--yes"]).await;
    let waiting = run("registrations", &[]).await;
    run(
        "registrations resend",
        &[&waiting["registrations"][0]["id"].to_string()],
    )
    .await;
    run("invite", &["eve@example.org"]).await;
    let invited = run("invitations", &[]).await;
    run(
        "invitations revoke",
        &[&invited["invitations"][0]["id"].to_string()],
    )
    .await;
    for table in ["users", "bans"] {
        let file = server.path(&format!("{table}-here.csv"));
        let file = file.to_str().unwrap();
        assert!(
            run("export", &[table]).await["csv"]
                .as_str()
                .unwrap()
                .starts_with(['n', 't'])
        );
        run("export", &[table, file]).await;
        run("import", &[table, file]).await;
    }

    // The server and its audit trail.
    run("status", &[]).await;
    run("trust", &[&server.fingerprint()]).await;
    run("reload", &[]).await;
    run("maintenance", &[]).await;
    run("maintenance on", &["back at noon"]).await;
    run("maintenance off", &[]).await;
    run("audit", &[]).await;
    run("audit verify", &[]).await;
    run("audit export", &[]).await;
    run(
        "audit export",
        &[server.path("trail.jsonl").to_str().unwrap()],
    )
    .await;
    run("completions", &["bash"]).await;

    // The admins. The operator's own account comes last, because most of that ends the session.
    run("admins list", &[]).await;
    run(
        "admins add",
        &["vera", "--email", &admin_email("vera"), "--role", "auditor"],
    )
    .await;
    run("admins role", &["vera", "moderator"]).await;
    run("admins reset", &["vera"]).await;
    run("admins remove", &["vera"]).await;
    run("totp status", &[]).await;
    run("sessions", &[]).await;
    run("sessions revoke", &["all"]).await;
    let refused = operator.run(&["--json", "list"]).await;
    assert_eq!(refused.code, Some(3));

    operator.login(&server).await;
    // These run until Ctrl-C and print one line per event or sample.
    for command in ["watch", "top"] {
        missing.remove(command);
        let mut running = operator.start(&["--json", command]);
        for _ in 0..if command == "top" { 2 } else { 1 } {
            let line = running.expect_line("").await;
            assert!(
                serde_json::from_str::<Value>(&line).is_ok(),
                "{command}: {line}"
            );
        }
    }
    missing.remove("shell");
    let mut shell = operator.start(&["--json", "shell"]);
    for line in ["bans", "kick nobody", "status"] {
        shell.type_line(line);
    }
    shell.close_input();
    assert_eq!(
        parsed("shell", &shell.wait().await).len(),
        3,
        "a result, a refusal, a result"
    );

    let refused = operator.run(&["--json", "kick", "nobody"]).await;
    assert_eq!(refused.code, Some(1));
    assert_eq!(
        parsed("kick", &refused)[0]["type"],
        "/problems/not-online",
        "a refusal is JSON too"
    );
    let mut enrol = operator.start(&["--json", "totp", "enrol"]);
    let app = wait_for("the key of the app", || App::scan(&enrol.transcript())).await;
    enrol.type_line(&app.code(0));
    let enrolled = parsed("totp enrol", &enrol.wait().await).remove(0);
    let recovery = |number: usize| {
        enrolled["recovery_codes"][number]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let password = server.path("root.password");
    let password = password.to_str().unwrap();
    let mut with_code = async |command: &str, options: &[&str], code: &str| {
        missing.remove(command);
        let words: Vec<&str> = command.split(' ').collect();
        let mut running = operator.start(&[&["--json"], &words[..], options].concat());
        running.type_line(code);
        let ended = running.wait().await;
        assert_eq!(ended.code, Some(0), "{command}: {}", ended.transcript);
        parsed(command, &ended);
    };
    let login = ["--name", "root", "--password-file", password];
    with_code("login", &login, &recovery(0)).await;
    // A code was mailed too, which must not be used for the next sign-in.
    server.mailbox().code_to(&admin_email("root")).await;
    with_code("totp require", &["on"], "").await;
    with_code("login", &login, &recovery(1)).await;
    with_code("totp disable", &[], &recovery(2)).await;
    operator.login(&server).await;
    with_code("logout", &[], "").await;
    operator.login(&server).await;
    fs::write(server.path("new.password"), "lantern kettle marble ox\n").unwrap();
    let new = server.path("new.password");
    let passwords = [
        "--password-file",
        password,
        "--new-password-file",
        new.to_str().unwrap(),
    ];
    with_code("passwd", &passwords, "").await;
    missing.remove("totp enrol");
    assert!(
        missing.is_empty(),
        "this test does not run these commands: {missing:?}"
    );
}
