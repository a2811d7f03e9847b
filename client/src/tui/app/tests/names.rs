//! Tests of names with signs that terminals draw in different ways.

use super::*;

#[test]
fn a_name_with_a_sign_does_not_look_like_the_name_without_it() {
    for sign in [
        '\u{325}', '\u{f7c}', '\u{9be}', '\u{dcf}', '\u{d4e}', '\u{a953}',
    ] {
        for name in [
            format!("{sign}bob"),
            format!("b{sign}ob"),
            format!("bob{sign}"),
        ] {
            let mut ui = Harness::sized(120, 24);
            ui.receive(&format!(":{name}!b@h JOIN #lobby"));
            ui.receive(&format!(":{name}!b@h PRIVMSG #lobby :the code is 0000"));
            ui.receive(&format!(":{name}!b@h TOPIC #lobby :new"));
            ui.receive(&format!(":{name}!b@h PRIVMSG alice :psst"));
            // Blank columns follow a sign that may need them, and a circle is where it has no base.
            let plain = |screen: String| screen.replace([' ', '\u{25cc}'], "");
            let times = |screen: String| plain(screen).matches(&name).count();
            // The list, the members, the join, the message and the new topic.
            assert_eq!(times(ui.screen()), 5, "{name:?}:\n{}", ui.screen());
            ui.alt('3');
            ui.type_text(&format!("to {name}"));
            // The list, the topic, the message, the status line and the message box.
            assert_eq!(times(ui.screen()), 5, "{name:?}:\n{}", ui.screen());
        }
    }
}
