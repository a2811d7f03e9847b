//! A mail server that does not answer, or not about certain receivers.

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::super::attempts::{MAX_SLOW, TURNS};
use super::smtp::{accepting, mailer_to};
use super::*;

#[tokio::test]
async fn a_mail_server_that_does_not_answer_delays_only_its_own_mail() {
    // Accepts the connection and never sends anything.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let (mailer, sender) = mailer_with(smtp_config(
        silent.local_addr().unwrap().port(),
        SmtpSecurity::None,
    ));
    let stuck = mailer.send(mail("a@b.example", "text"), someone(1));
    let _stream = silent.accept().await.unwrap();
    sender.send_replace(Arc::new(folder_config(home.path())));
    until(
        &mut mailer.send(mail("c@d.example", "text"), someone(1)),
        is_final,
    )
    .await;
    assert_eq!(*stuck.borrow(), MailState::Waiting);
}

/// Starts a mail server that never answers about receivers at `tarpit.example`.
async fn tarpit() -> (
    Mailer,
    watch::Sender<Arc<Config>>,
    mpsc::UnboundedReceiver<String>,
) {
    mailer_to(|line| {
        if line.starts_with("RCPT") && line.contains("tarpit.example") {
            ""
        } else {
            accepting(line)
        }
    })
    .await
}

#[tokio::test]
async fn receivers_that_the_mail_server_cannot_decide_on_delay_no_operator_and_no_other_network() {
    let (mailer, _config, mut lines) = tarpit().await;
    let stuck: Vec<_> = (0..60)
        .map(|number| {
            let to = format!("t{number}@tarpit.example");
            mailer.send(mail(&to, "text"), someone(number % 4))
        })
        .collect();
    // Each network has at least one attempt, and one turn is left.
    let mut waiting = 0;
    while waiting < TURNS - 1 {
        let line = lines.recv().await.unwrap();
        waiting += usize::from(line.starts_with("RCPT"));
    }
    let sent = mailer.send(mail("admin@good.example", "code"), Requester::Operator);
    let user = mailer.send(mail("user@good.example", "code"), someone(100));
    for mut state in [sent, user] {
        let sent = tokio::time::timeout(MIN_TIME, until(&mut state, is_final)).await;
        assert_eq!(sent, Ok(MailState::Sent));
    }
    assert!(
        stuck
            .iter()
            .all(|state| *state.borrow() == MailState::Waiting)
    );
}

#[tokio::test]
async fn invitations_whose_receivers_hang_delay_no_other_operator() {
    let (mailer, _config, mut lines) = tarpit().await;
    // More than may wait.
    let stuck: Vec<_> = (0..=QUEUE_CAPACITY)
        .map(|number| {
            let to = format!("t{number}@tarpit.example");
            mailer.send(mail(&to, "text"), Requester::OnBehalf("moderator".into()))
        })
        .collect();
    lines.recv().await.unwrap();
    let code = mailer.send(mail("admin@good.example", "code"), Requester::Operator);
    let owner = Requester::OnBehalf("root".into());
    let invitation = mailer.send(mail("user@good.example", "text"), owner);
    for mut state in [code, invitation] {
        let sent = tokio::time::timeout(MIN_TIME, until(&mut state, is_final)).await;
        assert_eq!(sent, Ok(MailState::Sent));
    }
    let refused = MailState::Failed(TOO_MANY.to_owned());
    let of_moderator: Vec<_> = stuck.iter().map(|state| state.borrow().clone()).collect();
    assert_eq!(of_moderator[QUEUE_CAPACITY], refused);
    let given_up = of_moderator.iter().filter(|state| **state == refused);
    assert_eq!(given_up.count(), 2, "one had no place, and one lost it");
}

/// Holds tokio's clock, which is paused, so that time passes only as the test says, until the
/// returned value is dropped or the test should have ended: it does not advance by itself while a
/// blocking task runs.
fn held_clock() -> std::sync::mpsc::Sender<()> {
    let (running, ended) = std::sync::mpsc::channel();
    tokio::task::spawn_blocking(move || ended.recv_timeout(Duration::from_secs(20)));
    running
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_is_abandoned_in_favor_of_others_is_delayed_and_no_trouble_of_the_server() {
    let _held = held_clock();
    let (mailer, _config, mut lines) = tarpit().await;
    let mut stuck: Vec<_> = (0..MAX_SLOW + TURNS)
        .map(|number| {
            let to = format!("t{number}@tarpit.example");
            mailer.send(mail(&to, "text"), someone(u32::try_from(number).unwrap()))
        })
        .collect();
    for _ in 0..stuck.len() / TURNS {
        let mut begun = 0;
        while begun < TURNS {
            let line = lines.recv().await.unwrap();
            begun += usize::from(line.starts_with("RCPT"));
        }
        assert!(stuck.iter().all(|one| *one.borrow() == MailState::Waiting));
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    // Those that began last give their turns to others after their whole time.
    tokio::time::advance(MIN_TIME).await;
    let state = until(&mut stuck[0], |state| *state != MailState::Waiting).await;
    assert_eq!(state, MailState::Delayed(NOT_ACCEPTED_YET.to_owned()));
    assert_eq!(mailer.health(), Ok(()));
}

/// Lets the time of an attempt pass, and returns what became of the mail.
async fn after_attempt(mut state: watch::Receiver<MailState>) -> MailState {
    tokio::time::advance(ATTEMPT_TIMEOUT).await;
    until(&mut state, |state| *state != MailState::Waiting).await
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_is_trouble_of_the_server_only_if_it_is_an_operator() {
    let _held = held_clock();
    let receiver = || mail("t@tarpit.example", "text");
    let late = MailState::Delayed(NOT_ACCEPTED_YET.to_owned());
    for requester in [someone(1), Requester::OnBehalf("root".into())] {
        let (mailer, _config, mut lines) = tarpit().await;
        let mut ok = mailer.send(mail("a@good.example", "text"), Requester::Operator);
        until(&mut ok, is_final).await;
        let state = mailer.send(receiver(), requester.clone());
        while !lines.recv().await.unwrap().contains("tarpit.example") {}
        assert_eq!(after_attempt(state).await, late);
        assert_eq!(mailer.health(), Ok(()), "{requester:?}");
    }
    let (mailer, _config, mut lines) = tarpit().await;
    let state = mailer.send(receiver(), Requester::Operator);
    while !lines.recv().await.unwrap().contains("tarpit.example") {}
    assert_eq!(after_attempt(state).await, late);
    let timed_out = "timed out after 30 seconds".to_owned();
    assert_eq!(mailer.health(), Err(timed_out.clone()));
    let state = mailer.send(receiver(), someone(1));
    while !lines.recv().await.unwrap().contains("tarpit.example") {}
    assert_eq!(after_attempt(state).await, late);
    assert_eq!(mailer.health(), Err(timed_out), "it shows nothing new");
}

#[tokio::test(start_paused = true)]
async fn a_mail_server_that_does_not_greet_or_take_the_sender_is_broken() {
    let _held = held_clock();
    for silent_at in ["EHLO", "MAIL"] {
        let (mailer, _config, mut lines) = mailer_to(move |line| {
            if line.starts_with(silent_at) {
                ""
            } else {
                accepting(line)
            }
        })
        .await;
        let state = mailer.send(mail("a@good.example", "text"), someone(1));
        while !lines.recv().await.unwrap().starts_with(silent_at) {}
        let broken = MailState::Delayed(CANNOT_SEND.to_owned());
        assert_eq!(after_attempt(state).await, broken);
        let timed_out = "timed out after 30 seconds".to_owned();
        assert_eq!(mailer.health(), Err(timed_out), "{silent_at}");
    }
}
