//! The control plane against its own description: schemathesis makes requests of every kind, good
//! and bad.

use std::process::Command;

use rookery_tests::admin::{Operator, PASSWORD};
use rookery_tests::control::Control;
use rookery_tests::irc::Client;
use rookery_tests::programs;
use rookery_tests::server::Server;
use serde_json::Value;

/// For each operation; more find more, and take longer.
const EXAMPLES: &str = "40";
/// Its answer goes on without end; tests of its own are about it.
const STREAM: &str = "GET /v1/events";
#[tokio::test]
async fn every_operation_keeps_to_the_description() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    let control = Control::new(&server);
    let _alice = Client::register(&server, "alice").await;
    let mut description = control.get("/v1/openapi.json", None).await.body;
    without_keys(&mut description);
    let file = server.path("openapi.json");
    std::fs::write(&file, description.to_string()).unwrap();

    let url = format!("https://localhost:{}", server.admin().port());
    let mut schemathesis = Command::new(programs::python());
    schemathesis
        .args(["-m", "schemathesis.cli", "run", file.to_str().unwrap()])
        .args(["--url", &url])
        .args(["--tls-verify", server.ca().to_str().unwrap()])
        .args([
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            EXAMPLES,
        ])
        .arg("--generation-deterministic")
        .args(["--exclude-name", STREAM])
        // Names that nobody has, or a ban that is not there, are refused however well they are
        // written.
        .args([
            "--checks",
            "all",
            "--exclude-checks",
            "positive_data_acceptance",
        ])
        .args([
            "--suppress-health-check",
            "all",
            "--request-timeout",
            "20",
            "--no-color",
        ])
        .env("SCHEMATHESIS_HOOKS", "schemathesis_hooks")
        .env(
            "PYTHONPATH",
            concat!(env!("CARGO_MANIFEST_DIR"), "/external"),
        )
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("ROOKERY_URL", &url)
        .env("ROOKERY_CA", server.ca())
        .env("ROOKERY_MAILS", server.path("data/mail"))
        .env("ROOKERY_OWNER", "root")
        .env("ROOKERY_PASSWORD", PASSWORD)
        .current_dir(server.path(""));
    let output = tokio::task::spawn_blocking(move || schemathesis.output().unwrap())
        .await
        .unwrap();
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}", said.concat());
    Operator::add(&server, "witness");
    let token = control.sign_in(&server, "witness").await;
    let admins = control
        .get("/v1/admins?limit=1000", Some(&token))
        .await
        .body
        .to_string();
    assert!(
        admins.contains(r#""name":"root","role":"owner""#),
        "requests were an owner's to the end: {admins}"
    );
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// Takes the header `Idempotency-Key` out: schemathesis sends the same few keys with everything,
/// and so would see little but refusals of keys that were used before. Tests of the server's own
/// are about that header.
fn without_keys(description: &mut Value) {
    for item in description["paths"].as_object_mut().unwrap().values_mut() {
        for operation in item.as_object_mut().unwrap().values_mut() {
            if let Some(parameters) = operation
                .get_mut("parameters")
                .and_then(Value::as_array_mut)
            {
                parameters.retain(|parameter| parameter["name"] != "Idempotency-Key");
            }
        }
    }
}
