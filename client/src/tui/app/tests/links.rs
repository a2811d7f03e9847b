//! Tests of links in messages.

use super::*;

#[test]
fn links_are_listed_newest_first_and_opened_or_copied() {
    let mut ui = Harness::new();
    ui.enter("/links");
    assert!(ui.screen().contains("there are no links here"));
    ui.sent();
    ui.receive(":bob!b@h PRIVMSG #lobby :read https://a.example/one.");
    ui.receive(":bob!b@h PRIVMSG #lobby :or (https://b.example/two) and http://c.example");
    ui.receive(":bob!b@h PRIVMSG #lobby :again https://a.example/one");
    ui.receive(":bob!b@h PRIVMSG #lobby :file:///etc/passwd");
    ui.alt('o');
    let screen = ui.screen();
    let at = |link: &str| {
        screen
            .find(&format!(" {link} "))
            .unwrap_or_else(|| panic!("{link}:\n{screen}"))
    };
    assert!(
        at("https://a.example/one") < at("http://c.example")
            && at("http://c.example") < at("https://b.example/two")
    );
    ui.press(KeyCode::Down, KeyModifiers::NONE);
    ui.type_text("c");
    assert!(ui.screen().contains("copied http://c.example"));
    ui.alt('o');
    ui.press(KeyCode::Up, KeyModifiers::NONE);
    ui.press(KeyCode::Enter, KeyModifiers::NONE);
    let urls: Vec<String> = ui
        .app
        .take_effects()
        .into_iter()
        .map(|effect| match effect {
            Effect::Open(url) => format!("open {}", url.as_str()),
            Effect::Copy(url) => format!("copy {}", url.as_str()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        urls,
        ["copy http://c.example", "open https://b.example/two"]
    );
}

#[test]
fn a_click_opens_a_link_and_nothing_else() {
    let mut ui = Harness::new();
    ui.receive(
        ":bob!b@h PRIVMSG #lobby :see https://a.example/one or https://b.example/a/path/that/is/so/long/that/it/is/wrapped now",
    );
    ui.receive(":boss!o@h TOPIC #lobby :about http://c.example");
    let screen = ui.screen();
    let find = |part: &str| {
        let (row, text) = screen
            .lines()
            .enumerate()
            .skip(1)
            .find(|(_, row)| row.contains(part))
            .unwrap();
        // A row of the test screen begins with a quotation mark.
        let column = text[..text.find(part).unwrap()].chars().count() - 1;
        (u16::try_from(row).unwrap(), u16::try_from(column).unwrap())
    };
    let click = |ui: &mut Harness, (row, column): (u16, u16)| -> Vec<String> {
        let kind = MouseEventKind::Down(MouseButton::Left);
        ui.app.handle_mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        });
        let effects = ui.app.take_effects().into_iter();
        effects
            .map(|effect| match effect {
                Effect::Open(url) => url.as_str().to_owned(),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    let long = "https://b.example/a/path/that/is/so/long/that/it/is/wrapped";
    for (part, link) in [
        ("https://a.example", "https://a.example/one"),
        ("/one", "https://a.example/one"),
        ("https://b", long),
        ("wrapped", long),
        ("http://c", "http://c.example"),
    ] {
        assert_eq!(click(&mut ui, find(part)), [link], "{part}");
    }
    assert!(ui.screen().contains("opening http://c.example"));
    for part in ["bob", "see", "now", "about", "lag"] {
        assert_eq!(click(&mut ui, find(part)), [""; 0], "{part}");
    }
    assert_eq!(click(&mut ui, (3, 40)), [""; 0], "nothing is there");
}
