//! The control plane against its own description: schemathesis makes requests of every kind, good and bad.

use std::process::Command;

use rookery_tests::admin::Operator;
use rookery_tests::control::Control;
use rookery_tests::irc::Client;
use rookery_tests::programs;
use rookery_tests::server::Server;

/// For each operation; more find more, and take longer.
const EXAMPLES: &str = "40";

#[tokio::test]
async fn every_operation_keeps_to_the_description() {
    // Its many requests from one address, wrong sign-ins among them, are not what is tested here.
    let server = Server::with(&["limits.failed_sign_ins = 0"]).await;
    Operator::add(&server, "root");
    let token = Control::new(&server).sign_in(&server, "root").await;
    let _alice = Client::register(&server, "alice").await;
    let base = format!("https://localhost:{}", server.admin().port());
    let mut schemathesis = Command::new(programs::python());
    schemathesis
        .args(["-m", "schemathesis.cli", "run", &format!("{base}/v1/openapi.json"), "--url", &base])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--tls-verify", server.ca().to_str().unwrap()])
        .args([
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            EXAMPLES,
            "--generation-deterministic",
        ])
        // It would end the sign-in that all the others need; `ignored_auth` looks at it without one.
        .args(["--exclude-path", "/v1/logout"])
        .args([
            "--checks",
            "all",
            "--exclude-checks",
            "positive_data_acceptance",
            "--suppress-health-check",
            "all",
            "--request-timeout",
            "20",
        ])
        .args(["--no-color"])
        .current_dir(server.path(""));
    let output = tokio::task::spawn_blocking(move || schemathesis.output().unwrap()).await.unwrap();
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{said}");
    println!("{said}");
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
