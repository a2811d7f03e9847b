//! Bad rows, and files that are refused whole.

use super::*;
use crate::test_log::TestLog;

#[tokio::test]
async fn a_bad_row_is_logged_and_moved_and_affects_no_other() {
    let files = TestFiles::new();
    files.sync().await;
    files.register("alice").await;
    files.put(
        "users.csv",
        "name,email,created_at\n\nbob,bob@example.org\nnot an email,x\nalice,other@example.org,\n\
         someone,ALICE@example.org\nerin,erin@example.org,yesterday\na1ice,look@example.org\n\"oh,oh@example.org,\n\
         frank,frank@example.org,,,\ngrace,grace@example.org,,,more\n,,\nheidi,heidi@example.org",
    );
    let log = TestLog::capture();
    files.sync().await;
    let log = log.text();
    assert_eq!(files.names().await, ["alice", "bob", "frank", "heidi"]);
    let rejected = "not an email,x\nalice,other@example.org,\nsomeone,ALICE@example.org\n\
                    erin,erin@example.org,yesterday\na1ice,look@example.org\n\"oh,oh@example.org,\n\
                    grace,grace@example.org,,,more\n";
    assert_eq!(
        files.text("users.rejected.csv"),
        format!("{USERS}{rejected}")
    );
    for (line, reason) in [
        (4, "cannot contain a space"),
        (5, "has the name alice"),
        (6, "is the email of alice"),
        (7, "neither a time"),
        (8, "looks the same"),
        (9, "quotation mark"),
        (11, "more than 3 columns"),
    ] {
        let named = format!("users.csv, line {line}, was rejected: ");
        let warning = log
            .lines()
            .find(|text| text.contains(&named))
            .unwrap_or_else(|| panic!("{line}: {log}"));
        assert!(
            warning.contains(reason) && warning.contains("WARN"),
            "{warning}"
        );
    }
    assert_eq!(log.matches("was rejected").count(), 7, "{log}");
    assert!(!files.text("users.csv").contains("other@example.org"));

    files.add("users.csv", "not an email,x\n");
    files.sync().await;
    assert_eq!(
        files.text("users.rejected.csv"),
        format!("{USERS}{rejected}"),
        "it is there already"
    );
    files.add("users.csv", "another one,x\n");
    files.sync().await;
    assert_eq!(
        files.text("users.rejected.csv"),
        format!("{USERS}{rejected}another one,x\n")
    );
}

#[tokio::test]
async fn invalid_utf8_and_expired_bans_are_bad_rows() {
    let files = TestFiles::new();
    files.sync().await;
    let mut text = BANS.as_bytes().to_vec();
    text.extend_from_slice(
        b"bob,caf\xe9,,,\ncarol,,,,2026-11-02T12:00:00Z\nbad target!,,,,\ndave,fine,,,\nerin,a\rb,,,\n",
    );
    fs::write(files.path("bans.csv"), text).unwrap();
    assert_eq!(files.sync().await, ["dave"]);
    let mut expected = BANS.as_bytes().to_vec();
    expected.extend_from_slice(
        b"bob,caf\xe9,,,\ncarol,,,,2026-11-02T12:00:00Z\nbad target!,,,,\nerin,a\rb,,,\n",
    );
    assert_eq!(fs::read(files.path("bans.rejected.csv")).unwrap(), expected);
}

#[tokio::test]
async fn a_ban_of_everyone_in_the_file_is_rejected_unless_an_operator_has_confirmed_it() {
    let files = TestFiles::new();
    files.ban("*@*", "confirmed").await;
    let sweeping = "0.0.0.0/0,,,,\n::/0,,,,\n*@*.com,,,,\n";
    files.put(
        "bans.csv",
        &format!("{BANS}{sweeping}*@*,,,,\n10.0.0.0/8,,,,\n"),
    );
    let log = TestLog::capture();
    assert_eq!(files.sync().await, ["10.0.0.0/8"]);
    let log = log.text();
    for (line, target) in [(2, "0.0.0.0/0"), (3, "::/0"), (4, "*@*.com")] {
        let warning = format!(
            "bans.csv, line {line}, was rejected: {target} covers everyone, or a large part of \
             everyone; if that is what you mean, use `admin-cli ban {target}`"
        );
        assert!(log.contains(&warning), "{log}");
    }
    assert_eq!(files.bans().await.len(), 2);
    assert_eq!(files.text("bans.rejected.csv"), format!("{BANS}{sweeping}"));
}

#[tokio::test]
async fn bad_rows_stay_in_the_file_while_they_cannot_be_moved() {
    let files = TestFiles::new();
    fs::create_dir(files.path("users.rejected.csv")).unwrap();
    files.put("users.csv", "name,email\nnobody\nbob,bob@example.org\n");
    files.sync().await;
    let bob = "bob,bob@example.org,2026-11-02T12:00:00Z\n";
    assert_eq!(files.text("users.csv"), format!("{USERS}{bob}nobody\n"));
    fs::remove_dir(files.path("users.rejected.csv")).unwrap();
    files.sync().await;
    assert_eq!(files.text("users.csv"), format!("{USERS}{bob}"));
    assert_eq!(files.text("users.rejected.csv"), format!("{USERS}nobody\n"));
}

#[tokio::test]
async fn a_file_that_means_something_else_is_refused_whole_and_stays_as_it_is() {
    for (name, content, reason) in [
        (
            "bans.csv",
            "mallory,spam\n",
            "line 1: the first line must be the header target,",
        ),
        (
            "bans.csv",
            "name,email,created_at\nbob,bob@example.org,\n",
            "line 1: the first line",
        ),
        (
            "bans.csv",
            "target,expires_at\nbob,2026-12-31\n",
            "line 1: the first line",
        ),
        (
            "bans.csv",
            "\n\ntarget;reason\nbob;spam\n",
            "line 3: the columns are separated by semi",
        ),
        (
            "bans.csv",
            "sep=;\ntarget;reason\nbob;spam\n",
            "line 1: the columns are separated by semi",
        ),
        (
            "bans.csv",
            "target\treason\nbob\tspam\n",
            "line 1: the columns are separated by tabs",
        ),
        (
            "bans.csv",
            "target,reason\neve,\nbob;spam, spam\n",
            "line 3: the columns are separated",
        ),
        (
            "bans.csv",
            "t\0a\0r\0g\0e\0t\0",
            "line 1: it contains a control character",
        ),
        (
            "users.csv",
            "bob,bob@example.org\n",
            "line 1: the first line must be the header name,",
        ),
        (
            "users.csv",
            "name\nbob\n",
            "line 1: the first line must be the header name,",
        ),
        (
            "users.csv",
            "\"name\";\"email\"\n",
            "line 1: the columns are separated by semicolons",
        ),
        (
            "users.csv",
            "email,name\nbob@example.org,bob\n",
            "line 1: the first line",
        ),
        (
            "users.csv",
            "name,email\nerin,erin@example.org\nbob@example.org,bob\n",
            "line 3: the column name holds an email",
        ),
        (
            "info.csv",
            "name,email\nbob@example.org,bob\n",
            "line 2: the column name holds",
        ),
        (
            "list_of_bans.csv",
            "bob,bob@example.org\n",
            "line 1: the first line must be the header",
        ),
        (
            "list_of_bans.csv",
            "name;email\nbob;bob@example.org\n",
            "line 1: the columns are",
        ),
    ] {
        for bom in ["", "\u{feff}"] {
            let files = TestFiles::new();
            let content = format!("{bom}{content}");
            files.put(name, &content);
            let log = TestLog::capture();
            let Synced { bans, problems } = files.csv.sync(now()).await.unwrap();
            assert!(
                bans.is_empty() && files.names().await.is_empty(),
                "{content:?}"
            );
            let [problem] = &problems[..] else {
                panic!("{content:?}: {problems:?}");
            };
            let reason = format!("{name}: {reason}");
            assert!(problem.contains(&reason), "{content:?}: {problem}");
            let log = log.text();
            assert!(log.contains("ERROR") && log.contains(problem), "{log}");
            // Not even a change of the database replaces it.
            let _ = files.csv.write_bans(now()).await;
            assert_eq!(files.text(name), content);
            assert!(!files.path("bans.rejected.csv").exists());
            assert!(!files.path("users.rejected.csv").exists());
        }
    }
}

#[tokio::test]
async fn a_row_with_a_name_or_email_that_looks_like_another_is_rejected() {
    let files = TestFiles::new();
    files.sync().await;
    files.put(
        "users.csv",
        "name,email,created_at\nbob,b\u{3164}ob@example.org\ncarol,carol@example.org\n\
         \u{323}dora,dora@example.org\n\u{323}erin,erin@example.org,2026-11-01T12:00:00Z",
    );
    let log = TestLog::capture();
    files.sync().await;
    let names = files.names().await;
    assert_eq!(names, ["carol", "\u{323}erin"], "with a time, a copy");
    let log = log.text();
    assert!(log.contains("users.csv, line 2, was rejected: "), "{log}");
    assert!(log.contains("cannot contain the character U+3164"), "{log}");
    assert!(log.contains("users.csv, line 4, was rejected: "), "{log}");
    assert!(log.contains("cannot begin with the mark U+0323"), "{log}");
}
