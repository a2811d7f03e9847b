//! `--json` on every command of `admin-cli`: what it prints is JSON, and nothing else.

use std::collections::BTreeSet;
use std::fs;

use rookery_tests::admin::{Operator, admin_email};
use rookery_tests::authenticator::App;
use rookery_tests::irc::{Client, device_credential, email_of};
use rookery_tests::process::Ended;
use rookery_tests::server::Server;
use serde_json::Value;

/// Every line of standard output, of which there is at least one, as JSON.
fn parsed(command: &str, ended: &Ended) -> Vec<Value> {
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

/// Every command that does something, as the man pages name them: those made of others do nothing
/// by themselves.
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
    let made_of_others = |page: &str| {
        pages
            .iter()
            .any(|other| other.starts_with(&format!("{page} ")))
    };
    let commands: BTreeSet<String> = pages
        .iter()
        .filter(|page| !made_of_others(page))
        .cloned()
        .collect();
    assert!(commands.len() > 35, "{commands:?}");
    commands
}

#[tokio::test]
async fn every_command_prints_json_when_asked_to() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut missing = commands(&server, &operator).await;
    missing.remove("man");
    let mut done = async |command: &str, options: &[&str]| -> Value {
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
    let mut phone = Client::connect(&server, "bob").await;
    phone.negotiate("bob").await;
    phone
        .authenticate("X-EMAIL-CODE", b"bob\0bob@example.org")
        .await;
    let code = server.mailbox().code_to(&email_of("bob")).await;
    phone
        .respond(format!("{code}\0{}", device_credential(2).expose()).as_bytes())
        .await;
    phone.expect_numeric("903").await;
    let mut dora = Client::introduce(&server, "dora").await;
    dora.ask_to_register("dora", &email_of("dora")).await;

    // Who is here, and what they say.
    done("list", &[]).await;
    done("whois", &["alice"]).await;
    done("channels", &[]).await;
    done("channel show", &["lobby"]).await;
    let found = done("messages", &[]).await;
    done("redact", &[found["messages"][0]["msgid"].as_str().unwrap()]).await;
    done("redact", &["--author", "alice", "--dry-run"]).await;
    done("announce", &["tea time"]).await;
    done("kick", &["alice"]).await;
    done("kick", &["--match", "alice", "--dry-run"]).await;
    drop(Client::sign_in(&server, "alice").await);
    done("channel purge", &["lobby", "--yes"]).await;
    let _bob = Client::sign_in(&server, "carol").await;
    done("channel close", &["lobby"]).await;

    // Bans, accounts, invitations.
    done("ban", &["mallory", "--dry-run"]).await;
    done("ban", &["mallory"]).await;
    done("bans", &[]).await;
    done("unban", &["mallory"]).await;
    done("accounts", &[]).await;
    done("account disable", &["carol"]).await;
    done("account enable", &["carol"]).await;
    let devices = done("account credentials", &["bob"]).await;
    let device = devices["credentials"][0]["id"].to_string();
    done("account revoke", &["bob", "--credential", &device]).await;
    done("account delete", &["carol", "--yes"]).await;
    let waiting = done("registrations", &[]).await;
    done(
        "registrations resend",
        &[&waiting["registrations"][0]["id"].to_string()],
    )
    .await;
    done("invite", &["eve@example.org"]).await;
    let invited = done("invitations", &[]).await;
    done(
        "invitations revoke",
        &[&invited["invitations"][0]["id"].to_string()],
    )
    .await;
    for table in ["users", "bans"] {
        let file = server.path(&format!("{table}-here.csv"));
        let file = file.to_str().unwrap();
        assert!(
            done("export", &[table]).await["csv"]
                .as_str()
                .unwrap()
                .starts_with(['n', 't'])
        );
        done("export", &[table, file]).await;
        done("import", &[table, file]).await;
    }

    // The server and its trail.
    done("status", &[]).await;
    done("reload", &[]).await;
    done("maintenance", &[]).await;
    done("maintenance on", &["back at noon"]).await;
    done("maintenance off", &[]).await;
    done("audit", &[]).await;
    done("audit verify", &[]).await;
    done("audit export", &[]).await;
    done(
        "audit export",
        &[server.path("trail.jsonl").to_str().unwrap()],
    )
    .await;
    done("completions", &["bash"]).await;

    // The admins, and oneself last, because most of that ends the sign-in.
    done("admins list", &[]).await;
    done(
        "admins add",
        &["vera", "--email", &admin_email("vera"), "--role", "auditor"],
    )
    .await;
    done("admins role", &["vera", "moderator"]).await;
    done("admins reset", &["vera"]).await;
    done("admins remove", &["vera"]).await;
    done("totp status", &[]).await;
    done("sessions", &[]).await;
    done("sessions revoke", &["all"]).await;
    let refused = operator.run(&["--json", "list"]).await;
    assert_eq!(refused.code, Some(3));

    operator.login(&server).await;
    // These go on until ctrl-c, a line for each moment.
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
    shell.end_input();
    assert_eq!(
        parsed("shell", &shell.ended().await).len(),
        3,
        "an answer, a refusal, an answer"
    );

    let refused = operator.run(&["--json", "kick", "nobody"]).await;
    assert_eq!(refused.code, Some(1));
    assert_eq!(
        parsed("kick", &refused)[0]["type"],
        "/problems/not-online",
        "a refusal is JSON too"
    );
    let mut enrol = operator.start(&["--json", "totp", "enrol"]);
    enrol.expect_text("Then enter a code").await;
    let app = App::scan(&enrol.transcript());
    enrol.type_line(&app.code(0));
    let enrolled = parsed("totp enrol", &enrol.ended().await).remove(0);
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
        let ended = running.ended().await;
        assert_eq!(ended.code, Some(0), "{command}: {}", ended.transcript);
        parsed(command, &ended);
    };
    let login = ["--name", "root", "--password-file", password];
    with_code("login", &login, &recovery(0)).await;
    // It was mailed too, and is not for the next sign-in.
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
        "these are not run here with --json: {missing:?}"
    );
}
