use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// A throttle, and its clock in seconds.
fn throttle() -> (Throttle, Arc<AtomicU64>) {
    let seconds = Arc::new(AtomicU64::new(0));
    let clock = Arc::clone(&seconds);
    let started = Instant::now();
    let now = move || started + Duration::from_secs(clock.load(Ordering::Relaxed));
    (Throttle::with_clock(Box::new(now)), seconds)
}

fn network(text: &str) -> Network {
    Network::of(text.parse().unwrap())
}

fn attempt(from: &str, name: &str) -> Attempt {
    Attempt {
        network: network(from),
        name: Some(name.to_owned()),
        known: None,
    }
}

fn known(from: &str, name: &str) -> Attempt {
    Attempt {
        known: Some(AccountId(1)),
        ..attempt(from, name)
    }
}

fn fail(throttle: &Throttle, attempt: &Attempt, times: u32) {
    for _ in 0..times {
        throttle.add_failure(attempt);
    }
}

/// An attempt that fails, if it may be made.
fn guess(throttle: &Throttle, attempt: &Attempt, limit: u32) -> bool {
    let may_be_made = matches!(throttle.begin(attempt, limit), Ok(None));
    if may_be_made {
        throttle.add_failure(attempt);
    }
    may_be_made
}

/// An attempt at the name from one of many networks.
fn distant(number: u32) -> Attempt {
    attempt(&Ipv4Addr::from(10 << 24 | number).to_string(), "a")
}

#[test]
fn a_network_waits_for_ten_minutes_and_refused_attempts_do_not_count() {
    let (throttle, clock) = throttle();
    let first = attempt("192.0.2.1", "a");
    fail(&throttle, &first, 3);
    for _ in 0..100 {
        assert_eq!(throttle.begin(&first, 3).unwrap_err(), Wait { minutes: 10 });
    }
    clock.store(590, Ordering::Relaxed);
    let other = attempt("192.0.2.1", "b");
    assert_eq!(throttle.begin(&other, 3).unwrap_err(), Wait { minutes: 1 });
    clock.store(601, Ordering::Relaxed);
    for _ in 0..3 {
        assert!(guess(&throttle, &other, 3));
    }
    assert!(throttle.begin(&other, 3).is_err());
    throttle.begin(&other, 0).unwrap();
}

#[test]
fn failures_from_elsewhere_never_stop_the_owner_for_long() {
    let (throttle, clock) = throttle();
    fail(&throttle, &distant(0), 200);
    throttle.begin(&distant(1), 10).unwrap();
    let new_network = attempt("192.0.2.1", "a");
    let refused = throttle.begin(&new_network, 10).unwrap_err();
    assert_eq!(refused, Wait { minutes: 1 });
    throttle.begin(&attempt("192.0.2.1", "b"), 10).unwrap();
    throttle.begin(&known("192.0.2.9", "a"), 10).unwrap();
    clock.store(1, Ordering::Relaxed);
    throttle.begin(&new_network, 10).unwrap();
}

#[test]
fn a_refused_attempt_at_a_name_is_no_failure_of_the_network() {
    let (throttle, _) = throttle();
    fail(&throttle, &distant(0), 10);
    throttle.begin(&distant(1), 10).unwrap();
    for _ in 0..20 {
        assert!(throttle.begin(&distant(2), 10).is_err());
    }
    let neighbour = Attempt {
        name: Some("b".to_owned()),
        ..distant(2)
    };
    throttle.begin(&neighbour, 10).unwrap();
}

#[test]
fn pauses_of_those_who_guess_grow_with_each_failure_and_end_with_the_window() {
    let (throttle, clock) = throttle();
    let mut number = 0;
    // Sites that have failed three times at other names that share the count of the failures.
    let mut one_who_guesses = || {
        number += 1;
        let from = distant(number);
        for _ in 0..3 {
            throttle
                .names
                .lock()
                .of_sites
                .add((throttle.clock)(), from.at_name().unwrap());
        }
        from
    };
    fail(&throttle, &one_who_guesses(), 2);
    throttle.check(&one_who_guesses(), 3).unwrap();
    for pause in [1, 2, 4, 8, 10, 10] {
        assert!(guess(&throttle, &one_who_guesses(), 3));
        clock.fetch_add(pause - 1, Ordering::Relaxed);
        assert!(throttle.check(&one_who_guesses(), 3).is_err(), "{pause}");
        clock.fetch_add(1, Ordering::Relaxed);
        throttle.check(&one_who_guesses(), 3).unwrap();
    }
    clock.fetch_add(FAILURE_WINDOW.as_secs().unsigned_abs(), Ordering::Relaxed);
    assert!(guess(&throttle, &one_who_guesses(), 3));
    throttle.check(&one_who_guesses(), 3).unwrap();
}

/// Lets networks guess whenever they may, and an owner try at the seconds that are given from a new
/// network each, after mistyping the password so often. Returns the seconds of the tries that were
/// refused.
fn refused_tries_of_an_owner(networks: u32, tries: &[u64], mistyped: u32) -> Vec<u64> {
    let (throttle, clock) = throttle();
    let mut refused = Vec::new();
    for second in 0..=tries[tries.len() - 1] {
        clock.store(second, Ordering::Relaxed);
        for number in 0..networks {
            guess(&throttle, &distant(number), 10);
        }
        if tries.contains(&second) {
            let address = Ipv4Addr::from(11 << 24 | u32::try_from(second).unwrap());
            let owner = attempt(&address.to_string(), "a");
            fail(&throttle, &owner, mistyped);
            refused.extend(throttle.begin(&owner, 10).is_err().then_some(second));
        }
    }
    refused
}

#[test]
fn networks_that_guess_at_each_end_of_a_pause_do_not_keep_the_owner_out_elsewhere() {
    let refused = |networks, tries| {
        (0..3).flat_map(move |mistyped| refused_tries_of_an_owner(networks, tries, mistyped))
    };
    let of_few: Vec<_> = refused(12, &[30, 100, 600, 3000]).collect();
    // Each of sixty has a turn in the first minute as a site that has not failed.
    let of_many: Vec<_> = refused(60, &[90, 600]).collect();
    // The owner may share a count with one of the others: one in 500.
    assert!(
        of_few.len() < 2 && of_many.len() < 2,
        "{of_few:?} {of_many:?}"
    );
}

#[test]
fn guesses_at_one_name_from_many_networks_are_few() {
    let guesses = |networks: u32| {
        let (throttle, clock) = throttle();
        let mut guesses = 0;
        for second in 0..3600 {
            clock.store(second, Ordering::Relaxed);
            for number in 0..networks {
                guesses += u32::from(guess(&throttle, &distant(number), 10));
            }
        }
        guesses
    };
    for networks in [1, 7, 60] {
        let most = (10 + 360 + 3 * networks).min(60 * networks);
        let made = guesses(networks);
        assert!(made <= most, "{made} of {networks}");
    }
}

#[test]
fn attempts_made_at_the_same_time_share_one_turn_until_one_succeeds() {
    let (throttle, _) = throttle();
    fail(&throttle, &distant(0), 10);
    let begun = (1..=3).filter(|&number| throttle.begin(&distant(number), 10).is_ok());
    assert_eq!(begun.count(), 1);
    throttle.succeeded(&distant(1));
    throttle.begin(&distant(4), 10).unwrap();
}

#[test]
fn a_known_network_is_limited_by_its_own_failures_for_the_account() {
    let (throttle, clock) = throttle();
    fail(&throttle, &attempt("192.0.2.1", "other"), 9);
    let owner = known("192.0.2.1", "a");
    assert!(guess(&throttle, &owner, 2));
    assert!(guess(&throttle, &owner, 2));
    assert!(guess(&throttle, &owner, 2), "the first one after the limit");
    assert!(!guess(&throttle, &owner, 2), "it waits until it is drawn");
    clock.store(10, Ordering::Relaxed);
    assert!(guess(&throttle, &owner, 2), "the other one has left");
    assert!(guess(&throttle, &owner, 0));
}

#[test]
fn tries_that_are_not_drawn_do_not_count_as_failures() {
    let (throttle, clock) = throttle();
    let owner = known("192.0.2.1", "a");
    fail(&throttle, &owner, 2);
    assert!(matches!(throttle.begin(&owner, 2), Ok(None)));
    for _ in 0..100 {
        assert!(matches!(throttle.begin(&owner, 2), Ok(Some(_))));
    }
    clock.store(600, Ordering::Relaxed);
    for _ in 0..20 {
        assert!(matches!(throttle.begin(&owner, 2), Ok(None)));
    }
}

#[test]
fn guesses_at_an_account_from_a_known_network_are_few() {
    let (throttle, clock) = throttle();
    let mut guesses = 0;
    for second in 0..3600 {
        clock.store(second, Ordering::Relaxed);
        for _ in 0..20 {
            guesses += u32::from(guess(&throttle, &known("192.0.2.1", "a"), 10));
        }
    }
    assert_eq!(guesses, 10 + 360);
}

#[test]
fn made_up_names_and_networks_do_not_displace_the_counts_of_a_name() {
    let (throttle, _) = throttle();
    fail(&throttle, &distant(0), 5);
    let now = (throttle.clock)();
    throttle.names.lock().take_turn(now, &distant(0));
    for number in 0..2 * MAX_KEYS {
        let elsewhere = Attempt {
            name: Some(format!("x{number}")),
            ..distant(u32::try_from(number).unwrap())
        };
        fail(&throttle, &elsewhere, 1);
    }
    // The limit of its network, which others can displace, is another.
    assert!(throttle.names.lock().check(now, &distant(0), 5).is_err());
}

#[test]
fn an_account_signs_in_with_its_password_only_so_often() {
    let (throttle, clock) = throttle();
    let sign_in = |account| {
        let checked = throttle.check_sign_ins(AccountId(account));
        checked
            .is_ok()
            .then(|| throttle.add_sign_in(AccountId(account)))
            .is_some()
    };
    let limit = SIGN_INS_OF_ACCOUNT as usize;
    assert_eq!((0..2 * limit).filter(|_| sign_in(1)).count(), limit);
    assert!(sign_in(2), "another account");
    clock.store(FAILURE_WINDOW.as_secs().unsigned_abs(), Ordering::Relaxed);
    assert!(sign_in(1));
}

#[test]
fn one_full_key_leaves_the_others_uncounted() {
    let (throttle, _) = throttle();
    let to = |name: &str| (Key::MailsTo(name.to_owned()), 1);
    throttle.count(vec![to("full")]).unwrap();
    assert!(throttle.count(vec![to("free"), to("full")]).is_err());
    throttle.count(vec![to("free")]).unwrap();
}

#[test]
fn memory_is_bounded_and_the_newest_counts_remain() {
    let (throttle, clock) = throttle();
    let to = |index: usize| vec![(Key::MailsTo(index.to_string()), 1)];
    for index in 0..MAX_KEYS + 10 {
        clock.store(index as u64 / 100, Ordering::Relaxed);
        throttle.count(to(index)).unwrap();
    }
    assert!(throttle.times.lock().len() <= MAX_KEYS);
    assert!(throttle.count(to(MAX_KEYS + 9)).is_err());
}

#[test]
fn a_site_fails_and_asks_for_mails_only_a_few_times_as_often_as_a_network() {
    let (throttle, _) = throttle();
    let of_site = |net: u32| format!("2001:db8:0:{net:x}::1");
    let mut tries = 0;
    for net in 0..100 {
        let guess = attempt(&of_site(net), &format!("name{net}"));
        while throttle.check(&guess, 3).is_ok() {
            throttle.add_failure(&guess);
            tries += 1;
        }
    }
    assert_eq!(tries, 3 * NETWORKS_OF_SITE.get());
    throttle.check(&known(&of_site(101), "a"), 3).unwrap();
    throttle.check(&attempt("2001:db8:1::1", "b"), 3).unwrap();
    let mail = |net| {
        throttle
            .count(mails_from(network(&of_site(net)), 2))
            .is_ok()
    };
    assert_eq!((0..100).filter(|&net| mail(net)).count(), 8);
    assert_eq!((0..100).filter(|_| mail(0)).count(), 0);
}
