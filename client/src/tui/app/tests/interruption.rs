//! Tests of scrolling while the messages of an interruption arrive.

use super::*;

/// The number of messages that were sent during the interruption.
const MISSED: usize = 150;
/// The number of messages on a page.
const PAGE: usize = 50;

/// When the answer to a query arrives: after this number of keys, and before or after the screen is
/// drawn that the next key refers to.
#[derive(Clone, Copy, Debug)]
struct Delay {
    keys: usize,
    is_drawn: bool,
}

/// A user on a small screen who has missed messages, and the server's history.
struct Interrupted {
    ui: Harness,
    /// The queries without an answer, and the number of keys since each.
    queries: VecDeque<(String, usize)>,
}

impl Interrupted {
    fn new() -> Self {
        let mut ui = Harness::sized(80, 12);
        ui.receive(":s 005 alice CHATHISTORY=50 :are supported");
        for number in 0..30 {
            ui.receive(&history_line(number).replace("message", "before"));
        }
        ui.app
            .connection_lost("the server closed the connection", Duration::from_secs(2));
        ui.screen();
        ui.receive(":s 001 alice :Welcome back, alice.");
        ui.receive(":s 005 alice CHATHISTORY=50 :are supported");
        ui.receive(":alice!a@h JOIN #lobby");
        ui.app.connection_ready();
        let mut this = Self {
            ui,
            queries: VecDeque::new(),
        };
        this.refresh();
        this
    }

    fn refresh(&mut self) {
        self.ui.app.refresh();
        let queries = self.ui.sent().into_iter();
        let queries = queries.filter(|sent| sent.starts_with("CHATHISTORY"));
        self.queries.extend(queries.map(|query| (query, 0)));
    }

    /// Answers the first query if it has waited for this number of keys.
    fn answer_after(&mut self, keys: usize) {
        if self
            .queries
            .front()
            .is_none_or(|(_, waited)| *waited < keys)
        {
            return;
        }
        let (query, _) = self.queries.pop_front().unwrap();
        let end = match *query.split(' ').collect::<Vec<_>>() {
            [_, "LATEST", "#lobby", ..] => 30 + MISSED,
            [_, "BEFORE", "#lobby", msgid, _] => {
                msgid.strip_prefix("msgid=m").unwrap().parse().unwrap()
            }
            _ => return self.ui.answer("draft/chathistory-targets", &[]),
        };
        let page: Vec<String> = (end.saturating_sub(PAGE)..end).map(history_line).collect();
        let page: Vec<&str> = page.iter().map(String::as_str).collect();
        self.ui.answer("chathistory #lobby", &page);
    }

    /// Draws the screen, and returns the numbers of the messages on it.
    fn drawn(&mut self) -> Vec<usize> {
        let screen = self.ui.screen();
        let numbers = screen.split("message ").skip(1);
        numbers.map(|rest| rest[..3].parse().unwrap()).collect()
    }

    fn press(&mut self, key: KeyCode) {
        self.ui.press(key, KeyModifiers::NONE);
        for (_, waited) in &mut self.queries {
            *waited += 1;
        }
    }
}

fn history_line(number: usize) -> String {
    let time = format!("2026-01-02T{:02}:{:02}:00.000Z", number / 60, number % 60);
    let kind = if number < 30 { "before" } else { "message" };
    format!("@time={time};msgid=m{number} :bob!b@h PRIVMSG #lobby :{kind} {number:03}")
}

#[test]
fn a_page_key_at_any_moment_skips_none_of_the_missing_messages() {
    for (keys, is_drawn) in (0..5).flat_map(|keys| [(keys, false), (keys, true)]) {
        let delay = Delay { keys, is_drawn };
        let mut user = Interrupted::new();
        // The first page arrives while its end is in view.
        while user.drawn().last() != Some(&(30 + MISSED - 1)) {
            user.answer_after(0);
            user.refresh();
        }
        let mut seen = BTreeSet::new();
        for _ in 0..100 {
            seen.extend(user.drawn());
            if !delay.is_drawn {
                user.answer_after(delay.keys);
            }
            user.press(KeyCode::PageUp);
            if delay.is_drawn {
                user.answer_after(delay.keys);
            }
            user.refresh();
        }
        assert!(
            user.ui.screen().contains("you joined #lobby"),
            "{delay:?}: the top is reached:\n{}",
            user.ui.screen()
        );
        let skipped: Vec<usize> = (30..30 + MISSED)
            .filter(|number| !seen.contains(number))
            .collect();
        assert!(skipped.is_empty(), "{delay:?}: {skipped:?}");
    }
}

#[test]
fn the_view_stays_where_it_is_while_missing_messages_arrive() {
    let mut user = Interrupted::new();
    while user.drawn().last() != Some(&(30 + MISSED - 1)) {
        user.answer_after(0);
        user.refresh();
    }
    // The list of conversations, and then up to the gap, which is requested before it is in view.
    user.answer_after(0);
    for _ in 0..20 {
        user.press(KeyCode::PageUp);
        user.refresh();
    }
    let before = user.ui.screen();
    assert!(before.contains("loading missing messages"), "{before}");
    let lowest = |screen: &str| screen.lines().nth(9).map(str::to_owned);
    while !user.queries.is_empty() {
        user.answer_after(0);
        let now = user.ui.screen();
        assert_eq!(lowest(&now), lowest(&before), "{before}\n{now}");
    }
}

#[test]
fn a_gap_that_is_filled_below_the_view_moves_nothing() {
    let mut user = Interrupted::new();
    user.queries.clear();
    let label = user.ui.label.clone();
    user.ui.receive(&format!(
        "@label={label} :s FAIL CHATHISTORY MESSAGE_ERROR LATEST #lobby :please try again later"
    ));
    // A failed gap may be passed. The wheel stops at every row, the gap too.
    for _ in 0..4 {
        user.ui.app.scroll(true, 1);
    }
    user.refresh();
    let before = user.ui.screen();
    assert!(user.ui.app.scroll_position().is_some(), "{before}");
    while !user.queries.is_empty() {
        user.answer_after(0);
        user.refresh();
    }
    let now = user.ui.screen();
    assert_eq!(now.lines().nth(5), before.lines().nth(5), "{before}\n{now}");
}
