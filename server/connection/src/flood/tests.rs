use rookery_protocol::Message;

use super::*;

/// Returns the limits of a session whose account has no other.
fn flood(burst: u32, per_second: u32, now: Instant) -> Flood {
    of_account(1, &SharedFlood::new(now), burst, per_second, now)
}

/// Returns the limits of a session of an account, which is in a network of its own.
fn of_account(
    account: u8,
    shared: &SharedFlood,
    burst: u32,
    per_second: u32,
    now: Instant,
) -> Flood {
    let network = network(account);
    let mut flood = shared.open(network, burst, per_second, now);
    shared.sign_in(&mut flood, AccountId(account.into()), network, now);
    flood
}

/// Returns the limits of a session of an account, which all are in one network.
fn neighbour(account: i64, shared: &SharedFlood, now: Instant) -> Flood {
    let mut flood = shared.open(network(1), 20, 4, now);
    shared.sign_in(&mut flood, AccountId(account), network(1), now);
    flood
}

fn network(number: u8) -> Network {
    Network::of([192, 0, 2, number].into())
}

impl Flood {
    fn count_with_network(&mut self, now: Instant, weight: Weight) -> Option<Instant> {
        let ready_at = self.count(now, weight);
        let Standing::Account(accounts) = &self.standing else {
            return ready_at;
        };
        let for_others = WeightForOthers::Always(weight);
        ready_at.max(self.count_for_accounts(accounts, now, weight, for_others))
    }
}

fn all_at_once(flood: &mut Flood, now: Instant) -> usize {
    let sent = (0..1000).take_while(|_| flood.count_with_network(now, Weight::MESSAGE).is_none());
    1 + sent.count()
}

#[test]
fn the_sessions_of_an_account_share_a_rate_and_do_not_affect_others() {
    let start = Instant::now();
    let shared = SharedFlood::new(start);
    let mut sent = 0;
    for _ in 0..50 {
        let mut session = of_account(1, &shared, 20, 4, start);
        sent += all_at_once(&mut session, start);
    }
    // Five sessions send all that they may; each of the others one message, and then waits.
    assert_eq!(sent, 5 * 20 + 45);
    let mut bob = of_account(2, &shared, 20, 4, start);
    assert_eq!(all_at_once(&mut bob, start), 20);
    let mut guest = shared.open(network(3), 20, 4, start);
    assert_eq!(all_at_once(&mut guest, start), 20);
    shared.sign_in(&mut guest, AccountId(1), network(3), start);
    let next = guest.count(start, Weight::MESSAGE).expect("a wait");
    assert!(
        next > start + Duration::from_secs(2),
        "alice owes 45 messages"
    );
}

#[test]
fn passwords_that_one_account_has_checked_leave_slots_for_others() {
    let start = Instant::now();
    let shared = SharedFlood::new(start);
    let of = |line| rookery_chat::weight(&Message::parse(line).expect("a message"));
    let weight = of("AUTHENTICATE AGFsaWNlAGNvcnJlY3QtaG9yc2U=");
    let scram = of("AUTHENTICATE biwsbj1hbGljZSxyPXJPcHJOR2Z3RWJlUldnYk5Fa3FP");
    assert_eq!(weight, scram, "the beginning of a SCRAM exchange");
    let email = of("SETEMAIL alice@example.org");
    assert_eq!((weight, weight), (of("REGISTER a b@example.org :p"), email));
    let session = |_| of_account(1, &shared, 20, 4, start);
    let mut sessions: Vec<_> = (0..100).map(session).collect();
    let mut ready_at = vec![start; sessions.len()];
    let mut proofs = 0;
    for millisecond in 0..60_000 {
        let now = start + Duration::from_millis(millisecond);
        for (session, ready_at) in sessions.iter_mut().zip(&mut ready_at) {
            if *ready_at <= now {
                proofs += 1;
                *ready_at = session.count(now, weight).unwrap_or(now);
            }
        }
    }
    assert!((300..500).contains(&proofs), "{proofs} in a minute");
}

#[test]
fn an_admitted_session_has_its_burst_and_its_payer_has_not() {
    let start = Instant::now();
    let shared = SharedFlood::new(start);
    let session = |_| of_account(1, &shared, 20, 4, start);
    let mut sessions: Vec<_> = (0..5).map(session).collect();
    for session in &mut sessions {
        all_at_once(session, start);
        session.admit(start);
    }
    let mut bob = of_account(2, &shared, 20, 4, start);
    all_at_once(&mut bob, start);
    bob.admit(start);
    assert_eq!(all_at_once(&mut bob, start), 20);
    assert_eq!(
        all_at_once(&mut sessions[0], start),
        1,
        "the account's burst is used up"
    );
}

#[test]
fn bytes_without_messages_count_as_messages() {
    let start = Instant::now();
    let mut flood = flood(20, 4, start);
    assert_eq!(flood.count_bytes(start, UNPAID_BYTES), None);
    let received = 40 * 10 * BYTES_OF_TENTH;
    let wait = flood.count_bytes(start, received).expect("a wait");
    assert_eq!(
        wait - start,
        Duration::from_millis(5250),
        "21 messages late"
    );
    let little_by_little = (0..1000).filter_map(|_| flood.count_bytes(wait, 1));
    assert_eq!(little_by_little.count(), 1);
}

#[test]
fn messages_pay_for_their_bytes_and_for_no_others() {
    let start = Instant::now();
    let mut flood = flood(20, 4, start);
    let mut now = start;
    for _ in 0..1000 {
        // The longest message, in frames of TLS and WebSocket.
        let received = 4096 + 512 + 22 + 8;
        now += Duration::from_millis(250);
        assert_eq!(flood.count_bytes(now, received), None);
        assert_eq!(flood.count(now, Weight::MESSAGE), None);
    }
    now += Duration::from_mins(1);
    let received = UNPAID_BYTES + 100 * 10 * BYTES_OF_TENTH;
    assert!(flood.count_bytes(now, received).is_some());
}

#[test]
fn after_a_burst_messages_pass_one_at_a_time() {
    let start = Instant::now();
    let mut flood = flood(3, 2, start);
    assert_eq!(flood.count(start, Weight::messages(1)), None);
    assert_eq!(flood.count(start, Weight::messages(1)), None);
    let next = flood
        .count(start, Weight::messages(1))
        .expect("the burst is used up");
    assert_eq!(next - start, Duration::from_millis(500));
    assert_eq!(
        flood.count(next, Weight::messages(1)),
        Some(next + Duration::from_millis(500))
    );
    assert_eq!(
        flood.count(start + Duration::from_mins(1), Weight::messages(1)),
        None,
        "a pause allows a burst again"
    );
}

#[test]
fn commands_that_visit_everything_count_as_more() {
    let start = Instant::now();
    let mut flood = flood(20, 4, start);
    assert_eq!(flood.count(start, Weight::messages(10)), None);
    assert_eq!(
        flood.count(start, Weight::messages(10)),
        Some(start + Duration::from_millis(250))
    );
    assert_eq!(
        flood.count(start + Duration::from_millis(250), Weight::messages(10)),
        Some(start + Duration::from_millis(2750))
    );
}

#[test]
fn ten_light_commands_count_as_one_message() {
    let start = Instant::now();
    let mut flood = flood(2, 1, start);
    assert!((0..10).all(|_| flood.count(start, Weight::LIGHT).is_none()));
    assert!((0..10).any(|_| flood.count(start, Weight::LIGHT).is_some()));
}

#[test]
fn long_replies_delay_the_next_long_reply_and_no_message() {
    let start = Instant::now();
    let mut flood = flood(20, 4, start);
    assert_eq!(flood.long_reply_at(start), None);
    flood.count_long_reply(start, Weight::of_reply(100 << 10));
    assert_eq!(flood.long_reply_at(start), None, "a burst");
    flood.count_long_reply(start, Weight::of_reply(600 << 10));
    let ready_at = flood.long_reply_at(start).expect("a wait");
    let seconds = (ready_at - start).as_secs_f32();
    assert!((3.0..4.0).contains(&seconds), "{seconds}");
    assert_eq!(flood.long_reply_at(ready_at), None);
    flood.count_long_reply(start, Weight::of_reply(100 << 20));
    assert_eq!(flood.long_reply_at(start), Some(start + MAX_DELAY));
    assert_eq!(all_at_once(&mut flood, start), 20);
}

#[test]
fn the_guests_of_a_network_share_a_rate_of_long_replies() {
    let start = Instant::now();
    let shared = SharedFlood::new(start);
    let mut replies = 0;
    for _ in 0..100 {
        let mut session = shared.open(network(1), 20, 4, start);
        while session.long_reply_at(start).is_none() {
            replies += 1;
            session.count_long_reply(start, Weight::of_reply(500 << 10));
        }
    }
    assert_eq!(replies, 20, "500 KiB each, of 25 times 400 KiB");
    let mut alice = shared.open(network(1), 20, 4, start);
    assert!(alice.long_reply_at(start).is_some());
    shared.sign_in(&mut alice, AccountId(1), network(1), start);
    assert_eq!(alice.long_reply_at(start), None);
}

/// Each new session sends its first line at once, however much was sent before.
#[test]
fn an_account_does_not_make_the_others_of_its_network_wait_for_long() {
    let start = Instant::now();
    let shared = SharedFlood::new(start);
    let line = Message::parse("PRIVMSG a,b,c,d :text").expect("a message");
    for _ in 0..1000 {
        let mut session = neighbour(1, &shared, start);
        session.count_message(start, &line);
    }
    let mut other = neighbour(2, &shared, start);
    for _ in 0..10 {
        let next = other.count_with_network(start, Weight::MESSAGE);
        assert_eq!(next, None, "it sends little");
    }
    let next = other.count_with_network(start, Weight::MESSAGE);
    let next = next.expect("a wait");
    assert_eq!(next.saturating_duration_since(start), MAX_DELAY);
    let mut connecting = neighbour(3, &shared, start);
    let next = connecting.count(start, Weight::MESSAGE);
    assert_eq!(next, None, "it sends nothing to others");
}

/// One line on each of sixty connections kept everyone else behind the address from signing in.
#[test]
fn what_others_of_the_network_send_before_they_are_admitted_delays_no_sign_in() {
    let start = Instant::now();
    let shared = SharedFlood::new(start);
    let line = |line: &str| rookery_chat::weight(&Message::parse(line).expect("a message"));
    let channels = line(&format!("JOIN {}", ",".repeat(500)));
    for number in 0..1000 {
        let mut session = shared.open(network(1), 20, 4, start);
        for _ in 0..=number % 30 {
            session.count(start, channels);
        }
    }
    let mut other = shared.open(network(1), 20, 4, start);
    let password = line("AUTHENTICATE AGFsaWNlAGNvcnJlY3QtaG9yc2U=");
    for weight in [
        line("CAP LS 302"),
        line("NICK a"),
        line("USER a 0 * a"),
        password,
    ] {
        assert_eq!(other.count(start, weight), None);
    }
    assert_eq!(other.count(start, password), None, "mistyped");
    let wait = (0..10).find_map(|_| other.count(start, password));
    let wait = wait.expect("a wait") - start;
    assert!(wait <= 4 * MAX_DELAY, "{wait:?}");
}

#[test]
fn who_sends_messages_that_weigh_more_waits_for_longer() {
    let start = Instant::now();
    let shared = SharedFlood::new(start);
    let session = |account: i64| {
        let mut session = neighbour(account, &shared, start);
        session.admit(start);
        session
    };
    let mut heavy: Vec<_> = (0..100).map(session).collect();
    let mut ready_at = vec![start; heavy.len()];
    let mut sent = 0;
    for second in 0..600 {
        let now = start + Duration::from_secs(second);
        for (session, ready_at) in heavy.iter_mut().zip(&mut ready_at) {
            if *ready_at <= now {
                sent += 8;
                let next = session.count_with_network(now, Weight::messages(8));
                *ready_at = next.unwrap_or(now);
            }
        }
    }
    // Each may send ten messages at once, and one each two seconds.
    let quiet = 100 * (10 + 300);
    let rate = (20 + 600 * 4) * 10;
    assert!(sent <= quiet + rate, "{sent} of {}", quiet + rate);
}

#[test]
fn connecting_again_is_no_way_around_what_the_account_owes() {
    let start = Instant::now();
    let shared = SharedFlood::new(start);
    for _ in 0..50 {
        let mut session = of_account(1, &shared, 20, 4, start);
        session.admit(start);
        session.count_with_network(start, Weight::messages(20));
    }
    let mut session = of_account(1, &shared, 20, 4, start);
    let wait = session.admit(start).expect("a wait") - start;
    assert!(wait > MAX_DELAY, "{wait:?}");
    let mut other = neighbour(2, &shared, start);
    assert_eq!(other.admit(start), None, "it sends little");
}

/// Each session sends one message, which waits for nothing, and is replaced by another.
#[test]
fn accounts_that_connect_again_for_each_message_share_the_rate_of_their_network() {
    let start = Instant::now();
    let shared = SharedFlood::new(start);
    let session = |account, now| {
        let mut session = neighbour(account, &shared, now);
        let ready_at = session.admit(now).unwrap_or(now);
        (session, ready_at)
    };
    let mut places: Vec<_> = (0..100).map(|place| session(place % 50, start)).collect();
    let mut sent = 0;
    for second in 0..600 {
        let now = start + Duration::from_secs(second);
        for (account, place) in (0..50).cycle().zip(&mut places) {
            if place.1 <= now {
                sent += 8;
                place.0.count_with_network(now, Weight::messages(8));
                *place = session(account, now);
            }
        }
    }
    let rate = (20 + 600 * 4) * 10;
    // Each of the accounts may send ten messages at once, and one each two seconds.
    let quiet = 50 * (10 + 300);
    assert!(sent <= rate + quiet, "{sent} of {}", rate + quiet);
}

/// Ten accounts could send so much that people on slow connections were disconnected.
#[test]
fn the_accounts_of_a_network_share_a_rate() {
    let start = Instant::now();
    let shared = SharedFlood::new(start);
    let mut sent = 0;
    for account in 0..100 {
        let mut session = neighbour(account, &shared, start);
        sent += all_at_once(&mut session, start);
    }
    // Twenty sessions send all that they may, half of it always; each of the others that half
    // and one message, and then waits.
    assert_eq!(sent, 20 * 20 + 80 * 11);
    let mut guest = shared.open(network(1), 20, 4, start);
    assert_eq!(all_at_once(&mut guest, start), 20, "guests have their own");
    shared.sign_in(&mut guest, AccountId(101), network(2), start);
    guest.admit(start);
    assert_eq!(all_at_once(&mut guest, start), 20, "another network");
}

/// Counts a message, and the channels that it joins, in all of which are others.
fn count_all(session: &mut Flood, now: Instant, message: &Message) -> Option<Instant> {
    let ready_at = session.count_message(now, message);
    ready_at.max(session.count_joins(now, rookery_chat::channels_to_join(message)))
}

/// Returns how many joins and parts the sessions of one network send in ten minutes that leave and
/// join `count` channels again and again.
fn rejoins(mut sessions: Vec<Flood>, count: usize, start: Instant) -> usize {
    let channels: Vec<_> = (0..count)
        .map(|number| format!("#channel{number}"))
        .collect();
    let lines = ["PART", "JOIN"].map(|command| {
        let line = format!("{command} {}", channels.join(","));
        Message::parse(&line).expect("a message")
    });
    let mut ready_at = vec![start; sessions.len()];
    let mut sent = 0;
    for (second, line) in (0..600).zip(lines.iter().cycle()) {
        let now = start + Duration::from_secs(second);
        for (session, ready_at) in sessions.iter_mut().zip(&mut ready_at) {
            if *ready_at <= now {
                sent += channels.len();
                *ready_at = count_all(session, now, line).unwrap_or(now);
            }
        }
    }
    sent
}

#[test]
fn who_joins_again_and_again_shares_the_rate_of_the_network() {
    let start = Instant::now();
    let shared = SharedFlood::new(start);
    let rate = 20 + 600 * 4;
    let accounts = (0..45).map(|number| neighbour(number % 9, &shared, start));
    let sent = rejoins(accounts.collect(), 15, start);
    // A quarter more, because clients may join channels when they connect.
    assert!(sent <= rate * 10 * 5 / 4, "{sent} of accounts");
    let guests = (0..45).map(|_| {
        let mut guest = shared.open(network(1), 20, 4, start);
        shared.admit(&mut guest, network(1), start);
        guest
    });
    let sent = rejoins(guests.collect(), 15, start);
    assert!(sent <= rate * 25 * 5 / 4, "{sent} of guests");
}

/// The first message after an admission waits for all that the network owes, unless the account has
/// sent little lately.
#[test]
fn who_has_joined_many_channels_is_not_quiet() {
    let start = Instant::now();
    for channels in [19, 50, 200] {
        let shared = SharedFlood::new(start);
        for account in 0..9 {
            for _ in 0..20 {
                neighbour(account, &shared, start).count_joins(start, channels);
            }
        }
        let again = neighbour(1, &shared, start).admit(start);
        let wait = again.expect("it waits") - start;
        assert!(wait > Duration::from_secs(30), "{channels}: {wait:?}");
    }
}

#[test]
fn an_account_pays_for_each_channel_however_many_a_line_names() {
    let start = Instant::now();
    let shared = SharedFlood::new(start);
    let sessions = (0..5).map(|_| neighbour(1, &shared, start));
    let sent = rejoins(sessions.collect(), 60, start);
    assert!(sent <= (20 + 600 * 4) * 5, "{sent}");
}

#[test]
fn who_connects_does_not_wait_for_others_of_the_network() {
    let start = Instant::now();
    let shared = SharedFlood::new(start);
    // They owe as much as their network can.
    for account in 0..9 {
        for _ in 0..100 {
            let mut session = neighbour(account, &shared, start);
            session.count_with_network(start, Weight::messages(100));
        }
    }
    let list = |count| (0..count).map(|number| format!("#channel{number}"));
    let channels: Vec<_> = list(40).collect();
    let join = format!("JOIN {}", channels.join(","));
    let rest = channels
        .iter()
        .flat_map(|channel| [format!("MODE {channel}"), format!("WHO {channel}")]);
    let lines: Vec<_> = [join, "AWAY :not here".to_owned()]
        .into_iter()
        .chain(rest)
        .collect();
    for account in 100..300 {
        let mut session = neighbour(account, &shared, start);
        assert_eq!(session.admit(start), None);
        let mut own = of_account(200, &SharedFlood::new(start), 20, 4, start);
        for line in &lines {
            let line = Message::parse(line).expect("a message");
            let alone = count_all(&mut own, start, &line);
            assert_eq!(count_all(&mut session, start, &line), alone, "{line:?}");
        }
    }
    // What is beyond the allowance waits for others no longer than the line weighs.
    let mut session = neighbour(300, &shared, start);
    let channels: Vec<_> = list(70).collect();
    let join = Message::parse(&format!("JOIN {}", channels.join(","))).expect("a message");
    let wait = count_all(&mut session, start, &join).expect("a wait") - start;
    assert!(
        wait <= longest_delay(rookery_chat::weight(&join)),
        "{wait:?}"
    );
}

/// Otherwise, one account could put all others of its network in debt.
#[test]
fn an_account_pays_for_what_others_of_its_network_wait_for() {
    let start = Instant::now();
    for count in [15, 100] {
        let channels: Vec<_> = (0..count).map(|number| format!("#{number}")).collect();
        let lines = ["JOIN", "PART"].map(|command| {
            Message::parse(&format!("{command} {}", channels.join(","))).expect("a message")
        });
        let shared = SharedFlood::new(start);
        let mut ready_at = [start; 5];
        let mut sessions = [(); 5].map(|()| neighbour(1, &shared, start));
        let mut other = neighbour(2, &shared, start);
        let mut lines = lines.iter().cycle();
        let mut waits = 0;
        for second in 0..120 {
            let now = start + Duration::from_secs(second);
            for (session, ready_at) in sessions.iter_mut().zip(&mut ready_at) {
                while *ready_at <= now {
                    let line = lines.next().expect("it is endless");
                    let next = count_all(session, now, line);
                    *ready_at = next.unwrap_or(now).max(now + Duration::from_millis(1));
                }
            }
            waits += usize::from(other.count_with_network(now, Weight::MESSAGE).is_some());
        }
        assert!(waits < 12, "a neighbour waits {waits} times");
    }
}

#[test]
fn the_accounts_of_a_site_share_the_rate_of_four_networks() {
    let start = Instant::now();
    let shared = SharedFlood::new(start);
    let session = |account, address: [u16; 8]| {
        let network = Network::of(std::net::IpAddr::from(address));
        let mut session = shared.open(network, 20, 4, start);
        shared.sign_in(&mut session, AccountId(account), network, start);
        session
    };
    let mut sent = 0;
    for number in 0..100 {
        let mut session = session(number.into(), [0x2001, 0xdb8, 0, number, 0, 0, 0, 1]);
        sent += all_at_once(&mut session, start);
    }
    // Eighty sessions send all that they may, half of it always; each of the others that half
    // and one message, and then waits.
    assert_eq!(sent, 80 * 20 + 20 * 11);
    let mut other = session(100, [0x2001, 0xdb8, 1, 0, 0, 0, 0, 1]);
    assert_eq!(all_at_once(&mut other, start), 20, "another site");
}

#[test]
fn zero_is_no_limit() {
    let start = Instant::now();
    let mut flood = flood(0, 4, start);
    flood.count_long_reply(start, Weight::of_reply(1 << 30));
    assert_eq!(flood.long_reply_at(start), None);
    assert!((0..1000).all(|_| flood.count(start, Weight::messages(1)).is_none()));
}
