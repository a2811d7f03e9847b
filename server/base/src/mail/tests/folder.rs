//! Mails in a folder.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[tokio::test]
async fn a_mail_is_written_into_the_folder_whole_and_private() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("data/mail");
    let (mailer, _sender) = mailer_with(folder_config(&folder));
    let mut state = mailer.send(
        mail("alice@bücher.example", "Hello Älice,\n\n123456\n\nBye\n"),
        someone(1),
    );
    assert_eq!(until(&mut state, is_final).await, MailState::Sent);
    let [file] = files(&folder).try_into().unwrap();
    assert_eq!(file.extension().unwrap(), "eml");
    assert_eq!(
        fs::metadata(&folder).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.lines().any(|line| line == "123456"),
        "the code is on a line of its own: {text}"
    );
    assert!(
        text.contains("\nTo: alice@xn--bcher-kva.example\n"),
        "{text}"
    );
    for header in [
        "Date: ",
        "Message-ID: <",
        "Auto-Submitted: auto-generated",
        "Subject: =?utf-8?",
        "From: ",
    ] {
        assert!(
            text.lines().any(|line| line.starts_with(header)),
            "{header} in {text}"
        );
    }
}

#[tokio::test]
async fn a_code_is_on_a_line_of_its_own_with_any_text_around_it() {
    let home = tempfile::tempdir().unwrap();
    let (mailer, _sender) = mailer_with(folder_config(home.path()));
    for around in [
        "plain".to_owned(),
        "long ".repeat(300),
        "ünïcode ".repeat(50),
        "日本語".repeat(50),
    ] {
        let mut state = mailer.send(
            mail("a@b.example", &format!("{around}\n\n123456\n\n{around}\n")),
            someone(1),
        );
        assert_eq!(until(&mut state, is_final).await, MailState::Sent);
    }
    for file in files(home.path()) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.lines().any(|line| line == "123456"), "{text}");
    }
}

#[tokio::test]
async fn a_subject_cannot_start_another_header() {
    let home = tempfile::tempdir().unwrap();
    let (mailer, _sender) = mailer_with(folder_config(home.path()));
    let mut injection = mail("a@b.example", "text");
    injection.subject = "hello\r\nBcc: victim@b.example\r\n\r\nbody".to_owned();
    let mut state = mailer.send(injection, someone(1));
    assert_eq!(until(&mut state, is_final).await, MailState::Sent);
    let [file] = files(home.path()).try_into().unwrap();
    let text = fs::read_to_string(file).unwrap();
    assert!(!text.lines().any(|line| line.starts_with("Bcc")), "{text}");
}

#[tokio::test]
async fn an_unusable_folder_delays_mail_until_it_is_usable_again() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("mail");
    fs::write(&folder, "a file where the folder should be").unwrap();
    let (mailer, _sender) = mailer_with(folder_config(&folder));
    let mut state = mailer.send(mail("a@b.example", "text"), someone(1));
    let delayed = until(&mut state, |state| matches!(state, MailState::Delayed(_))).await;
    assert_eq!(
        delayed,
        MailState::Delayed(CANNOT_SEND.to_owned()),
        "the reason does not name the folder"
    );
    assert!(mailer.health().unwrap_err().contains("the mail folder"));
    fs::remove_file(&folder).unwrap();
    assert_eq!(until(&mut state, is_final).await, MailState::Sent);
    assert_eq!(mailer.health(), Ok(()));
    assert_eq!(files(&folder).len(), 1, "no temporary file is left");
}

#[tokio::test]
async fn health_is_good_again_after_a_fault_although_no_mail_follows() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("mail");
    fs::write(&folder, "a file where the folder should be").unwrap();
    let (mailer, _sender) = mailer_with(folder_config(&folder));
    let mut short_lived = mail("a@b.example", "text");
    short_lived.useful_for = Duration::from_millis(5);
    until(&mut mailer.send(short_lived, someone(1)), is_final).await;
    assert!(mailer.health().is_err());
    fs::remove_file(&folder).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while mailer.health().is_err() {
        assert!(Instant::now() < deadline, "{:?}", mailer.health());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(files(&folder).is_empty(), "no mail was sent for it");
}

#[tokio::test]
async fn a_mail_fails_when_it_is_no_longer_useful() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("mail");
    fs::write(&folder, "a file where the folder should be").unwrap();
    let (mailer, _sender) = mailer_with(folder_config(&folder));
    let mut short_lived = mail("a@b.example", "text");
    short_lived.useful_for = Duration::from_millis(100);
    let mut state = mailer.send(short_lived, someone(1));
    assert!(matches!(
        until(&mut state, is_final).await,
        MailState::Failed(_)
    ));
}

#[tokio::test]
async fn a_mail_fails_at_once_when_the_queue_is_full() {
    let home = tempfile::tempdir().unwrap();
    let (_sender, config) = LiveConfig::new(folder_config(home.path()));
    let mailer = Mailer::start_with(
        config.section(|config| &config.mail),
        EventBus::default(),
        1,
        SHORT,
    );
    // On one thread, the first mail is not processed before this task waits.
    let mut first = mailer.send(mail("a@b.example", "text"), someone(1));
    let second = mailer.send(mail("c@d.example", "text"), someone(1));
    assert!(matches!(&*second.borrow(), MailState::Failed(reason) if reason.contains("too many")));
    assert_eq!(until(&mut first, is_final).await, MailState::Sent);
}

#[tokio::test]
async fn a_dummy_succeeds_and_fails_like_a_mail_and_leaves_no_file() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("mail");
    let (mailer, _sender) = mailer_with(folder_config(&folder));
    let mut state = mailer.send_dummy(Duration::from_mins(1), someone(1));
    assert_eq!(until(&mut state, is_final).await, MailState::Sent);
    assert!(files(&folder).is_empty());
    fs::remove_dir(&folder).unwrap();
    fs::write(&folder, "a file where the folder should be").unwrap();
    let mut state = mailer.send_dummy(Duration::from_millis(100), someone(1));
    assert!(matches!(
        until(&mut state, is_final).await,
        MailState::Failed(_)
    ));
}

#[tokio::test]
async fn the_next_mail_follows_a_reloaded_configuration() {
    let home = tempfile::tempdir().unwrap();
    let (one, two) = (home.path().join("one"), home.path().join("two"));
    let (mailer, sender) = mailer_with(folder_config(&one));
    until(
        &mut mailer.send(mail("a@b.example", "text"), someone(1)),
        is_final,
    )
    .await;
    sender.send_replace(Arc::new(folder_config(&two)));
    until(
        &mut mailer.send(mail("a@b.example", "text"), someone(1)),
        is_final,
    )
    .await;
    assert_eq!((files(&one).len(), files(&two).len()), (1, 1));
}
