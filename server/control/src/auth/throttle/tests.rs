use std::net::Ipv6Addr;

use futures_util::FutureExt as _;
use rookery_base::attempt_counts::MANY_OF_SITE;

use super::*;

/// A throttle, and a clock that a test advances by hand.
struct Test {
    throttle: Throttle,
    start: Instant,
    second: u64,
}

impl Test {
    fn new() -> Self {
        Self {
            throttle: Throttle::default(),
            start: Instant::now(),
            second: 0,
        }
    }

    fn begin(&mut self, source: &Source) -> Result<Duration, u64> {
        let now = self.start + Duration::from_secs(self.second);
        self.throttle.begin(now, source)
    }
}

fn network(last: u8) -> Network {
    Network::of([192, 0, 2, last].into())
}

fn distant(number: u32) -> Network {
    Network::of((10 << 24 | number).to_be_bytes().into())
}

fn from_distant(number: u32) -> Source {
    Source::Other {
        network: distant(number),
        name: "root".to_owned(),
    }
}

fn other(last: u8, name: &str) -> Source {
    Source::Other {
        network: network(last),
        name: name.to_owned(),
    }
}

#[test]
fn pauses_grow_with_each_failure_up_to_five_minutes() {
    for source in [other(1, "root"), Source::Session("root".to_owned())] {
        let mut test = Test::new();
        for _ in 0..FREE {
            assert_eq!(test.begin(&source), Ok(Duration::ZERO));
        }
        let mut pauses = Vec::new();
        for _ in 0..10 {
            let Err(seconds) = test.begin(&source) else {
                panic!("no pause after {pauses:?}");
            };
            pauses.push(seconds);
            test.second += seconds;
            assert!(test.begin(&source).is_ok(), "after the pause");
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300, 300]);
    }
}

#[test]
fn on_a_known_network_attempts_are_delayed_and_never_refused() {
    let mut test = Test::new();
    let delays: Vec<u64> = (0..100)
        .map(|_| test.begin(&Source::Known(network(1))).unwrap().as_secs())
        .collect();
    assert_eq!(delays[..14], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 3]);
    assert!(delays[14..].iter().all(|delay| *delay == 3));
    test.throttle.succeeded(&Source::Known(network(1)));
    assert_eq!(test.begin(&Source::Known(network(1))), Ok(Duration::ZERO));
}

#[test]
fn a_device_has_five_attempts_whatever_others_do() {
    let mut test = Test::new();
    let device = Device::new();
    while test.begin(&other(1, "root")).is_ok() {}
    for _ in 0..FREE_OF_DEVICE {
        assert!(test.throttle.trusts(test.start, device));
        assert_eq!(test.begin(&Source::Device(device)), Ok(Duration::ZERO));
    }
    assert!(!test.throttle.trusts(test.start, device));
    assert!(test.throttle.trusts(test.start, Device::new()));
    assert!(test.throttle.trusts(test.start + RESET_AFTER, device));
}

#[test]
fn a_sign_in_with_a_device_is_none_of_its_attempts_and_counts_for_no_network() {
    let mut test = Test::new();
    let device = Device::new();
    for _ in 0..10 * FREE_OF_DEVICE {
        test.begin(&Source::Device(device)).unwrap();
        test.throttle.succeeded(&Source::Device(device));
    }
    for _ in 0..FREE_OF_DEVICE {
        test.begin(&Source::Device(device)).unwrap();
    }
    let refused = test.begin(&Source::Device(device));
    assert_eq!(
        refused,
        Err(RESET_AFTER.as_secs()),
        "however many are sent at once"
    );
}

#[test]
fn failures_elsewhere_neither_delay_nor_refuse_an_attempt_on_a_known_network() {
    let mut test = Test::new();
    for number in 0..1000 {
        let network = distant(number);
        let _ = test.begin(&Source::Other {
            network,
            name: "root".to_owned(),
        });
    }
    assert_eq!(test.begin(&Source::Known(network(1))), Ok(Duration::ZERO));
    assert_eq!(
        test.begin(&Source::Session("root".to_owned())),
        Ok(Duration::ZERO)
    );
}

#[test]
fn an_early_attempt_does_not_extend_the_pause() {
    let mut test = Test::new();
    for _ in 0..FREE {
        test.begin(&other(1, "root")).unwrap();
    }
    test.second = 1;
    for _ in 0..100 {
        assert_eq!(test.begin(&other(1, "root")), Err(4));
    }
    test.second = 5;
    assert!(test.begin(&other(1, "root")).is_ok());
}

#[test]
fn one_network_cannot_try_all_names_and_does_not_delay_another() {
    let mut test = Test::new();
    let tried = (0..1000)
        .take_while(|name| test.begin(&other(1, &format!("name{name}"))).is_ok())
        .count();
    assert_eq!(tried, FREE as usize);
    assert!(test.begin(&other(2, "root")).is_ok());
}

#[test]
fn distributed_guessing_at_one_name_in_any_spelling_is_slow() {
    let mut test = Test::new();
    let mut tried = 0;
    for number in 0..1000 {
        let source = Source::Other {
            network: distant(number),
            name: ["root", "ROOT", "ｒｏｏｔ", "rｏOt"][number as usize % 4].to_owned(),
        };
        tried += u32::from(test.begin(&source).is_ok());
    }
    // Sites that share a count have failed more often, and have the first turn of these.
    let most = FREE_OF_NAME + MANY_OF_SITE;
    assert!((FREE_OF_NAME..=most).contains(&tried), "{tried}");
    test.second = 3600;
    for number in 0..FREE_OF_NAME + 100 {
        if let Err(seconds) = test.begin(&from_distant(number)) {
            assert!(seconds <= 10);
            test.second += 1;
        }
    }
}

#[test]
fn guesses_from_a_thousand_networks_at_one_name_are_few() {
    let mut test = Test::new();
    let mut tried = 0;
    for second in 0..300 {
        test.second = second;
        for number in 0..1000 {
            tried += u32::from(test.begin(&from_distant(number)).is_ok());
        }
    }
    // Three in a second from networks with few failures, and one in ten seconds from the others.
    assert!(tried <= FREE_OF_NAME + 4 + 300 * 31 / 10, "{tried}");
}

#[test]
fn sixty_networks_that_guess_at_a_name_seldom_delay_an_admin_elsewhere() {
    // Not a divisor of the longest pause, after which several networks may have a turn at once.
    const STEP: u64 = 37;
    let mut test = Test::new();
    let (mut tried, mut refused) = (0_u8, 0);
    for second in 0..7200 {
        test.second = second;
        for number in 0..60 {
            let _ = test.begin(&from_distant(number));
        }
        if second % STEP == 0 {
            let admin = other(tried, "root");
            // The password is mistyped twice.
            let begun = [(); 3].map(|()| test.begin(&admin));
            refused += u32::from(begun != [Ok(Duration::ZERO); 3]);
            tried += 1;
            test.throttle.succeeded(&admin);
        }
    }
    // One in eleven: networks whose failures no longer count have the turns of the admin.
    assert!(refused * 5 < u32::from(tried), "{refused} of {tried}");
}

#[test]
fn made_up_names_and_networks_remove_no_count() {
    let mut test = Test::new();
    while test.begin(&other(1, "root")).is_ok() {}
    for number in 0..20 * u32::try_from(COUNTS).unwrap() {
        let _ = test.begin(&Source::Other {
            network: distant(number),
            name: format!("name{number}"),
        });
    }
    assert!(test.begin(&other(1, "root")).is_err());
}

#[test]
fn a_site_with_thousands_of_networks_has_few_attempts_and_pauses_no_other() {
    let mut test = Test::new();
    let mut tried = 0;
    for number in 0..200_000_u32 {
        let segment = u16::try_from(number % 20_000).unwrap();
        let address = Ipv6Addr::new(0x2001, 0xdb8, 1, segment, 0, 0, 0, 1);
        let source = Source::Other {
            network: Network::of(address.into()),
            name: format!("name{number}"),
        };
        tried += u32::from(test.begin(&source).is_ok());
    }
    assert_eq!(tried, FREE_OF_SITE);
    let paused = (0..1000)
        .filter(|number| {
            let (network, name) = (distant(*number), format!("other{number}"));
            test.begin(&Source::Other { network, name }).is_err()
        })
        .count();
    assert!(paused < 50, "{paused} of 1000");
    let address = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 1);
    let network = Network::of(address.into());
    assert!(
        test.begin(&Source::Other {
            network,
            name: "other".to_owned()
        })
        .is_ok()
    );
}

#[test]
fn a_sign_in_counts_as_no_failure_and_failures_are_forgotten() {
    let mut test = Test::new();
    while test.begin(&other(1, "root")).is_ok() {}
    test.throttle.succeeded(&other(1, "ROOT"));
    assert!(test.begin(&other(1, "root")).is_ok());
    assert!(test.begin(&other(1, "root")).is_err());
    test.second = RESET_AFTER.as_secs();
    for _ in 0..FREE {
        assert!(test.begin(&other(1, "root")).is_ok());
    }
}

#[test]
fn few_attempts_are_in_progress_at_a_time() {
    let attempting = Attempting::default();
    let begin = |source| match attempting.begin(&source).now_or_never() {
        Some(permit) => permit.ok_or("refused"),
        None => Err("waits"),
    };
    let mut in_progress = Vec::new();
    for last in 1..=4 {
        for _ in 0..KNOWN_ATTEMPTS / 4 {
            in_progress.push(begin(Source::Known(network(last))).unwrap());
        }
        let next = begin(Source::Known(network(last)));
        assert_eq!(next.err(), Some("waits"), "a network has a quarter");
    }
    let next = begin(Source::Known(network(5)));
    assert_eq!(next.err(), Some("waits"), "all together");
    assert!(begin(other(2, "root")).is_ok());
    assert!(begin(Source::Device(Device::new())).is_ok());
    in_progress.pop();
    assert!(begin(Source::Known(network(5))).is_ok());
}

#[test]
fn passwords_of_strangers_wait_in_no_queue_of_admins() {
    let network = Network::of([192, 0, 2, 1].into());
    let name = "root".to_owned();
    let [stranger, known, device, session] = [
        Source::Other { network, name },
        Source::Known(network),
        Source::Device(Device::new()),
        Source::Session("root".to_owned()),
    ]
    .map(|source| std::ptr::from_ref(source.hash_queue()));
    assert!(stranger != known && known != device && stranger != device);
    assert_eq!(device, session, "both show that they are an admin's");
}
