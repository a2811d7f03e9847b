//! The control plane against its OpenAPI description: schemathesis generates valid and invalid
//! requests for every operation, and checks the responses.

use std::process::Command;

use rookery_tests::admin::{Operator, PASSWORD};
use rookery_tests::control::ControlClient;
use rookery_tests::irc::Client;
use rookery_tests::programs;
use rookery_tests::server::Server;
use serde_json::Value;

/// The number of examples per operation. More of them find more, and take longer.
const EXAMPLES: &str = "40";
/// The stream of events, whose response does not end. Other tests cover it.
const STREAM: &str = "GET /v1/events";

#[tokio::test]
async fn every_operation_conforms_to_its_openapi_description() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    let control = ControlClient::new(&server);
    let _alice = Client::register(&server, "alice").await;
    let mut description = control.get("/v1/openapi.json", None).await.body;
    remove_idempotency_keys(&mut description);
    let file = server.path("openapi.json");
    std::fs::write(&file, description.to_string()).unwrap();

    let url = format!("https://localhost:{}", server.admin().port());
    let mut schemathesis = Command::new(programs::python());
    schemathesis
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/external/schemathesis.toml"
        ))
        .args(["run", file.to_str().unwrap()])
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
        .args(["--checks", "all"])
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
    let report =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}", report.concat());
    Operator::add(&server, "witness");
    let token = control.sign_in(&server, "witness").await;
    let admins = control
        .get("/v1/admins?limit=1000", Some(&token))
        .await
        .body
        .to_string();
    assert!(
        admins.contains(r#""name":"root","role":"owner""#),
        "all requests were made as an owner: {admins}"
    );
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// Removes the header `Idempotency-Key` from the description. Schemathesis sends the same few keys
/// with every request, so that most responses would be refusals of reused keys. The server's own
/// tests cover the header.
fn remove_idempotency_keys(description: &mut Value) {
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
