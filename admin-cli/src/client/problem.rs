//! Conversion of the server's problem documents (RFC 9457) into failures.

use rookery_control_api::Problem;
use ureq::http::StatusCode;

use crate::failure::Failure;

/// Converts the server's problem document. Returns `None` if `raw` is not one.
pub(super) fn problem(status: StatusCode, raw: String) -> Option<Failure> {
    let problem: Problem = serde_json::from_str(&raw).ok()?;
    // Other problems with that status concern a password or a code.
    if status == StatusCode::UNAUTHORIZED && problem.kind == "/problems/not-signed-in" {
        return Some(Failure::not_signed_in(
            "The server does not accept the stored sign-in: it has ended.",
        ));
    }
    let detail = indented(&problem.detail);
    let message = match next_step(&problem.kind) {
        None => detail,
        Some(step) => format!("{detail} {step}"),
    };
    Some(Failure::Failed {
        message,
        document: Some(raw),
    })
}

/// Returns a text of the server, of which no further line can pass for one of this program.
fn indented(text: &str) -> String {
    text.replace('\n', "\n    ")
}

/// Returns what to do about a problem in terms of this program's commands, where the server's text
/// cannot say it.
fn next_step(kind: &str) -> Option<&'static str> {
    Some(match kind.strip_prefix("/problems/")? {
        "not-online" => "`admin-cli list` shows who is online.",
        "no-such-account" => "`admin-cli accounts` lists the accounts.",
        "no-such-admin" => "`admin-cli admins list` lists the admins.",
        "no-such-channel" => "`admin-cli channels` lists the channels.",
        "no-such-invitation" => "`admin-cli invitations` lists the open invitations.",
        "no-such-registration" => "`admin-cli registrations` lists the pending registrations.",
        "no-such-message" => "`admin-cli messages` lists messages with their ids.",
        "wrong-password" => "Nothing was changed; try again.",
        "fresh-sign-in-required" => "Sign in with `admin-cli login`.",
        "no-authenticator" => "Enrol one with `admin-cli totp enrol`.",
        "challenge-expired" | "login-failed" => "Start again with `admin-cli login`.",
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn reply(status: u16, kind: &str) -> Failure {
        let raw =
            format!(r#"{{"type":"/problems/{kind}","title":"T","status":{status},"detail":"D"}}"#);
        problem(StatusCode::from_u16(status).unwrap(), raw).unwrap()
    }

    #[test]
    fn a_missing_sign_in_has_its_own_exit_code() {
        assert_eq!(reply(401, "not-signed-in").exit_code(), 3);
        assert_eq!(reply(401, "login-failed").exit_code(), 1);
        assert_eq!(reply(401, "wrong-code").exit_code(), 1);
        assert_eq!(reply(404, "not-online").exit_code(), 1);
        assert_eq!(reply(503, "audit-unavailable").exit_code(), 1);
        assert_eq!(reply(404, "no-such-ban").to_string(), "D");
        assert_eq!(
            reply(404, "not-online").to_string(),
            "D `admin-cli list` shows who is online."
        );
        assert!(
            reply(401, "not-signed-in")
                .to_string()
                .contains("`admin-cli login`")
        );
        assert!(reply(401, "wrong-code").is_problem("wrong-code"));
        assert!(!reply(401, "wrong-code").is_problem("wrong"));
        let lines = r#"{"type":"about:blank","title":"T","status":400,"detail":"a\nadmin-cli: b"}"#;
        let lines = problem(StatusCode::BAD_REQUEST, lines.to_owned()).unwrap();
        assert_eq!(lines.to_string(), "a\n    admin-cli: b");
        assert!(problem(StatusCode::BAD_GATEWAY, "<html>".to_owned()).is_none());
    }
}
