//! The control plane against its own description: schemathesis makes requests of every kind, good and bad.

use std::process::Command;

use rookery_tests::admin::Operator;
use rookery_tests::control::Control;
use rookery_tests::irc::Client;
use rookery_tests::programs;
use rookery_tests::server::Server;
use serde_json::Value;

/// For each operation; more find more, and take longer.
const EXAMPLES: &str = "40";
/// Their answers go on without end; tests of their own are about them.
const STREAMS: [&str; 1] = ["GET /v1/events"];
/// They take CSV, which schemathesis does not know how to write; tests of their own are about them.
const TABLES: [&str; 2] = ["POST /v1/import/users", "POST /v1/import/bans"];
/// They end the sign-in that all others need, when they do what they are there for; the last two when they name its admin.
const ENDINGS: [&str; 5] = [
    "POST /v1/logout",
    "DELETE /v1/sessions",
    "DELETE /v1/sessions/{id}",
    "DELETE /v1/admins/{name}",
    "PUT /v1/admins/{name}/role",
];

#[tokio::test]
async fn every_operation_keeps_to_the_description() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    let control = Control::new(&server);
    let token = control.sign_in(&server, "root").await;
    let _alice = Client::register(&server, "alice").await;
    let mut description = control.get("/v1/openapi.json", None).await.body;
    without_keys(&mut description);
    let file = server.path("openapi.json");
    std::fs::write(&file, description.to_string()).unwrap();

    let mut schemathesis = Command::new(programs::python());
    schemathesis
        .args(["-m", "schemathesis.cli", "run", file.to_str().unwrap()])
        .args(["--url", &format!("https://localhost:{}", server.admin().port())])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--tls-verify", server.ca().to_str().unwrap()])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES])
        .arg("--generation-deterministic")
        .args(ENDINGS.iter().chain(&STREAMS).chain(&TABLES).flat_map(|name| ["--exclude-name", name]))
        // Names that nobody has, or a ban that is not there, are refused however well they are written.
        .args(["--checks", "all", "--exclude-checks", "positive_data_acceptance"])
        .args(["--suppress-health-check", "all", "--request-timeout", "20", "--no-color"])
        .current_dir(server.path(""));
    let output = tokio::task::spawn_blocking(move || schemathesis.output().unwrap()).await.unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}", said.concat());
    assert_eq!(control.get("/v1/status", Some(&token)).await.status, 200, "the sign-in held to the end");
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// Takes the header `Idempotency-Key` out: schemathesis sends the same few keys with everything, and so would see little
/// but refusals of keys that were used before. Tests of the server's own are about that header.
fn without_keys(description: &mut Value) {
    for item in description["paths"].as_object_mut().unwrap().values_mut() {
        for operation in item.as_object_mut().unwrap().values_mut() {
            if let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) {
                parameters.retain(|parameter| parameter["name"] != "Idempotency-Key");
            }
        }
    }
}
