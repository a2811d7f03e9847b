//! The TLS of every port, scanned by an independent program (sslyze).

use std::process::Command;

use rookery_tests::programs;
use rookery_tests::server::Server;
use serde_json::Value;

/// What the scanner tries.
const SCANS: [&str; 17] = [
    "--certinfo",
    "--sslv2",
    "--sslv3",
    "--tlsv1",
    "--tlsv1_1",
    "--tlsv1_2",
    "--tlsv1_3",
    "--elliptic_curves",
    "--compression",
    "--early_data",
    "--reneg",
    "--resum",
    "--fallback",
    "--ems",
    "--heartbleed",
    "--openssl_ccs",
    "--robot",
];
/// Protocols that have known weaknesses.
const OBSOLETE: [&str; 4] = ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"];
const CURVES: [&str; 5] = ["X25519", "X448", "secp256r1", "secp384r1", "secp521r1"];

#[tokio::test]
async fn a_scanner_finds_no_weakness_of_tls_on_any_port() {
    let server = Server::with(&[
        "websocket.listen = \"127.0.0.1:0\"",
        "limits.connect_rate = 0",
    ])
    .await;
    let ports = [server.chat(), server.admin(), server.websocket()].map(|address| address.port());
    let report = server.path("tls.json");
    let mut sslyze = Command::new(programs::python());
    sslyze
        .args(["-m", "sslyze", "--mozilla_config=disable"])
        .args(SCANS)
        .arg("--certinfo_ca_file")
        .arg(server.ca())
        .arg("--json_out")
        .arg(&report)
        .args(ports.map(|port| format!("localhost:{port}")));
    let output = tokio::task::spawn_blocking(move || sslyze.output().unwrap())
        .await
        .unwrap();
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    let text = text.concat();
    assert!(output.status.success(), "{text}");
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let servers = report["server_scan_results"].as_array().unwrap();
    assert_eq!(servers.len(), ports.len(), "{text}");
    for found in servers {
        let port = found["server_location"]["port"].as_u64().unwrap();
        let is_web = port == u64::from(server.websocket().port());
        check(
            &found["scan_result"],
            is_web,
            &format!("port {port}: {text}"),
        );
    }
}

fn check(scan: &Value, is_web: bool, context: &str) {
    let result = |name: &str| {
        assert_eq!(scan[name]["status"], "COMPLETED", "{name}, {context}");
        &scan[name]["result"]
    };
    for (name, field, expected) in [
        ("tls_compression", "supports_compression", false),
        (
            "openssl_ccs_injection",
            "is_vulnerable_to_ccs_injection",
            false,
        ),
        ("heartbleed", "is_vulnerable_to_heartbleed", false),
        (
            "session_renegotiation",
            "is_vulnerable_to_client_renegotiation_dos",
            false,
        ),
        (
            "session_renegotiation",
            "supports_secure_renegotiation",
            true,
        ),
        ("tls_fallback_scsv", "supports_fallback_scsv", true),
        ("tls_extended_master_secret", "supports_ems_extension", true),
    ] {
        assert_eq!(result(name)[field], expected, "{name} {field}, {context}");
    }
    // Keys that stay in memory to resume sessions would weaken forward secrecy.
    for field in [
        "session_id_resumption_result",
        "tls_ticket_resumption_result",
    ] {
        let resumption = &result("session_resumption")[field];
        assert_eq!(resumption, "NOT_SUPPORTED", "{field}, {context}");
    }
    // The scanner cannot tell on a port that refuses its HTTP request. Without tickets, there is no
    // early data.
    if !is_web {
        let early_data = &result("tls_1_3_early_data")["supports_early_data"];
        assert_eq!(early_data, false, "{context}");
    }
    let robot = &result("robot")["robot_result"];
    assert_eq!(robot, "NOT_VULNERABLE_RSA_NOT_SUPPORTED", "{context}");
    for protocol in OBSOLETE {
        let suites = suites(result(&format!("{protocol}_cipher_suites")));
        assert_eq!(suites, [""; 0], "{protocol}, {context}");
    }
    for protocol in ["tls_1_2", "tls_1_3"] {
        let result = result(&format!("{protocol}_cipher_suites"));
        let suites = suites(result);
        assert!(!suites.is_empty(), "{protocol}, {context}");
        for suite in &suites {
            let is_strong = suite.contains("_GCM_") || suite.contains("_POLY1305_");
            let has_forward_secrecy = protocol == "tls_1_3" || suite.starts_with("TLS_ECDHE_");
            assert!(is_strong && has_forward_secrecy, "{suite}, {context}");
        }
    }
    for curve in result("elliptic_curves")["supported_curves"]
        .as_array()
        .unwrap()
    {
        let name = curve["name"].as_str().unwrap();
        assert!(CURVES.contains(&name), "{name}, {context}");
    }
    check_certificate(result("certificate_info"), context);
}

/// Returns the names of the cipher suites that the server accepts.
fn suites(result: &Value) -> Vec<&str> {
    let accepted = result["accepted_cipher_suites"].as_array().unwrap();
    let names = accepted
        .iter()
        .map(|suite| suite["cipher_suite"]["name"].as_str());
    names.map(Option::unwrap).collect()
}

/// Checks that every certificate belongs to the name that the scanner connected to, and is issued
/// by the server's authority.
fn check_certificate(info: &Value, context: &str) {
    for chain in info["certificate_deployments"].as_array().unwrap() {
        assert_eq!(chain["received_chain_has_valid_order"], true, "{context}");
        assert_eq!(
            chain["verified_chain_has_sha1_signature"], false,
            "{context}"
        );
        let validations = chain["path_validation_results"].as_array().unwrap();
        let own = validations
            .iter()
            .find(|validation| validation["trust_store"]["name"] == "Supplied CA file")
            .unwrap();
        assert_eq!(own["was_validation_successful"], true, "{own}, {context}");
    }
}
