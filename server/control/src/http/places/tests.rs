use super::*;

const NETWORK: u8 = 1;

/// Places, and a clock that a test advances by hand.
struct Port {
    places: Arc<Places>,
    now: Instant,
}

impl Port {
    fn new() -> Self {
        Self {
            places: Arc::default(),
            now: Instant::now(),
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
    }

    fn enter(&self, network: u8) -> Place {
        let network = Network::of([192, 0, 2, network].into());
        self.places.enter(self.now, network)
    }

    /// Connects, and does what leads to a step.
    fn reach(&self, step: Step, network: u8) -> Place {
        let place = self.enter(network);
        if step != Step::Connected {
            place.advance(self.now);
        }
        if step == Step::Asked {
            place.begin_request(self.now, None);
        }
        place
    }

    /// Lets clients reach a step, one a millisecond.
    fn reach_all(&mut self, step: Step, count: usize) -> Vec<Place> {
        let reach = |_| {
            self.wait(Duration::from_millis(1));
            self.reach(step, NETWORK)
        };
        (0..count).map(reach).collect()
    }

    fn is_open(&self, place: &Place) -> bool {
        place.patience(self.now).is_some()
    }

    fn open(&self, places: &[Place]) -> usize {
        places.iter().filter(|place| self.is_open(place)).count()
    }
}

#[test]
fn a_newcomer_displaces_one_of_the_older_half_of_those_that_have_shown_as_little() {
    for step in [Step::Connected, Step::Began, Step::Asked] {
        let mut port = Port::new();
        let elsewhere = port.reach(step, 2);
        let full = step.places() - 1;
        let mut all = port.reach_all(step, full);
        for _ in 0..2 * full {
            assert_eq!(
                port.open(&all[all.len() - full / 2..]),
                full / 2,
                "{step:?}"
            );
            all.extend(port.reach_all(step, 1));
            assert_eq!(port.open(&all), full, "{step:?}");
        }
        assert!(port.is_open(&elsewhere));
    }
}

#[test]
fn strangers_displace_none_that_has_shown_more() {
    let mut port = Port::new();
    let asked = port.reach_all(Step::Asked, Step::Asked.places());
    let began = port.reach_all(Step::Began, Step::Began.places());
    let _silent = port.reach_all(Step::Connected, 1000);
    assert_eq!(port.open(&began), began.len());
    let _began = port.reach_all(Step::Began, 1000);
    assert_eq!(port.open(&asked), asked.len());
}

/// Returns how many of fifty operators are served while clients of the same network reach a
/// step at a rate, if the operators send their first bytes after some milliseconds, and their first
/// requests after as many more.
fn served(step: Step, per_second: usize, [first_byte, request]: [u64; 2]) -> usize {
    const OPERATORS: u64 = 50;
    let each = first_byte + request + 1;
    let mut port = Port::new();
    let (mut flood, mut operator, mut served) = (Vec::new(), None, 0);
    for millisecond in 0..OPERATORS * each {
        port.wait(Duration::from_millis(1));
        for _ in 0..per_second / 1000 {
            flood.push(port.reach(step, NETWORK));
        }
        flood.retain(|place| port.is_open(place));
        let age = millisecond % each;
        if age == 0 {
            operator = Some(port.enter(NETWORK));
        }
        let operator = operator.as_ref().unwrap();
        if age == first_byte {
            operator.advance(port.now);
        }
        if age == first_byte + request {
            operator.begin_request(port.now, Some("root"));
            served += usize::from(port.is_open(operator));
        }
    }
    served
}

#[test]
fn an_operator_is_served_whatever_others_of_its_network_open_each_second() {
    assert_eq!(served(Step::Connected, 10_000, [15, 10]), 50);
    assert_eq!(served(Step::Began, 5000, [3, 10]), 50);
    // Nobody has enough time then: each one has 13 ms on average.
    let some = served(Step::Began, 10_000, [1, 13]);
    assert!((3..=40).contains(&some), "{some} of 50");
}

#[test]
fn a_connection_whose_request_is_handled_is_not_displaced() {
    let mut port = Port::new();
    let busy = port.reach_all(Step::Asked, Step::Asked.places());
    for place in &busy {
        place.handle_request();
    }
    let [next, idle] = [0; 2].map(|_| port.reach(Step::Asked, NETWORK));
    assert_eq!(port.open(&busy), busy.len());
    assert!(port.is_open(&idle), "it stays where it was");
    next.handle_request();
    let _others = port.reach_all(Step::Began, 8 * Step::Began.places());
    assert!(port.is_open(&next) && !port.is_open(&idle));
    next.end_request();
    busy[0].end_request();
    let _next = port.reach(Step::Asked, NETWORK);
    assert!(!port.is_open(&busy[0]), "its request is answered");
}

#[test]
fn those_whose_requests_are_handled_protect_no_others() {
    let port = Port::new();
    let busy: Vec<Place> = (0..20).map(|_| port.reach(Step::Asked, 1)).collect();
    for place in &busy {
        place.handle_request();
    }
    let idle = Step::Asked.places() - busy.len();
    let networks = (0..idle).map(|number| u8::try_from(2 + number % 6).unwrap());
    let idle: Vec<Place> = networks.map(|of| port.reach(Step::Asked, of)).collect();
    let _next = port.reach(Step::Asked, 200);
    assert_eq!(port.open(&busy), busy.len());
    assert_eq!(port.open(&idle), idle.len() - 1);
}

#[test]
fn two_connections_of_one_network_are_displaced_no_sooner_than_one() {
    for step in [Step::Began, Step::Asked] {
        let port = Port::new();
        let reach = |network: usize| port.reach(step, u8::try_from(network).unwrap());
        let full = step.places();
        let _others: Vec<Place> = (2..full).map(reach).collect();
        let both = [200, 200].map(reach);
        let _newcomers: Vec<Place> = (2..full / 2).map(reach).collect();
        assert_eq!(port.open(&both), 2, "{step:?}");
    }
}

#[test]
fn requests_do_not_prolong_a_strangers_stay() {
    let mut port = Port::new();
    let asking = port.reach_all(Step::Asked, Step::Asked.places());
    let (first, last) = asking.split_at(asking.len() / 2);
    port.wait(Duration::from_millis(1));
    for place in first {
        place.begin_request(port.now, None);
        place.handle_request();
        place.end_request();
    }
    let _new = port.reach_all(Step::Asked, 1);
    assert_eq!(port.open(first), first.len() - 1);
    assert_eq!(port.open(last), last.len());
}

#[test]
fn a_sign_in_makes_the_connection_the_operators_before_its_answer() {
    let mut port = Port::new();
    let operator = port.reach(Step::Asked, NETWORK);
    operator.handle_request();
    operator.recognize(Owner::Operator("root".to_owned()));
    operator.end_request();
    let _others = port.reach_all(Step::Asked, 1000);
    assert!(port.is_open(&operator));
}

#[test]
fn a_newcomer_displaces_one_of_the_networks_that_have_the_most() {
    for step in [Step::Connected, Step::Began, Step::Asked] {
        let port = Port::new();
        let half = step.places() / 2;
        let reach_all = |network, count| -> Vec<Place> {
            let reach = |_| port.reach(step, network);
            (0..count).map(reach).collect()
        };
        let first = reach_all(1, half);
        let second = reach_all(2, half);
        let few = reach_all(3, half / 4);
        assert_eq!(port.open(&few), few.len(), "{step:?}");
        assert_eq!(port.open(&first), half - half / 8, "{step:?}");
        assert_eq!(port.open(&second), half - half / 8, "{step:?}");
        let _many = reach_all(4, 10 * half);
        assert_eq!(port.open(&few), few.len(), "{step:?}");
    }
}

/// How long strangers of a crowd hold a place, and how often they do something.
#[derive(Clone, Copy, Debug)]
struct Crowd {
    networks: u8,
    /// How long a step takes.
    step: Duration,
    /// After how long they connect again.
    end: Duration,
}

impl Crowd {
    /// Does what is due of one connection, which began at `since`.
    fn act(self, port: &Port, place: &Place, since: Instant) {
        let (age, step) = ((port.now - since).as_millis(), self.step.as_millis());
        if !age.is_multiple_of(step) {
            return;
        }
        match age / step {
            0 => {}
            1 | 2 => place.advance(port.now),
            _ => {
                place.begin_request(port.now, None);
                place.handle_request();
                place.end_request();
            }
        }
    }
}

/// A crowd fills all places, and always acts first.
#[test]
fn whatever_strangers_do_a_newcomer_of_another_network_keeps_its_place() {
    const TICK: Duration = Duration::from_millis(20);
    const STEP: Duration = Duration::from_millis(200);
    let crowd = |networks, step: u64, end| Crowd {
        networks,
        step: Duration::from_millis(step),
        end: Duration::from_millis(end),
    };
    for crowd in [
        crowd(2, 20, 60_000),
        crowd(2, 180, 60_000),
        crowd(2, 180, 720),
        crowd(2, 180, 180),
        crowd(2, 20, 80),
        crowd(2, 1000, 60_000),
        crowd(32, 180, 720),
    ] {
        let mut port = Port::new();
        let mut strangers: Vec<(Place, u8, Instant)> = (0..Step::Connected.places() + 32)
            .map(|number| u8::try_from(number % usize::from(crowd.networks)).unwrap())
            .map(|network| (port.enter(network), network, port.now))
            .collect();
        for _ in 0..2 {
            let (newcomer, came_at) = (port.enter(200), port.now);
            while port.now - came_at < 3 * STEP {
                for (place, network, since) in &mut strangers {
                    if port.now - *since >= crowd.end || !port.is_open(place) {
                        (*place, *since) = (port.enter(*network), port.now);
                    }
                    crowd.act(&port, place, *since);
                }
                if port.now - came_at == STEP {
                    newcomer.advance(port.now);
                } else if port.now - came_at == 2 * STEP {
                    newcomer.begin_request(port.now, None);
                }
                assert!(port.is_open(&newcomer), "{crowd:?}: it lost its place");
                port.wait(TICK);
            }
        }
    }
}

#[test]
fn those_of_known_networks_keep_a_place_whatever_the_number_of_other_networks() {
    for step in [Step::Connected, Step::Began, Step::Asked] {
        let mut port = Port::new();
        port.places
            .set_known(&[Network::of([192, 0, 2, NETWORK].into())]);
        let known = port.reach(step, NETWORK);
        let elsewhere = |number: usize| port.reach(step, u8::try_from(2 + number % 250).unwrap());
        let strangers: Vec<Place> = (0..10 * step.places()).map(elsewhere).collect();
        assert!(port.is_open(&known), "{step:?}");
        assert_eq!(port.open(&strangers), step.places(), "{step:?}");
        let more_known = port.reach_all(step, 2 * KEPT);
        let open = port.open(&strangers) + port.open(&more_known);
        assert!(open <= step.places() + KEPT, "{step:?}: {open}");
    }
}

#[test]
fn all_networks_together_are_limited_as_well() {
    for step in [Step::Connected, Step::Began, Step::Asked] {
        let mut port = Port::new();
        let mut places = Vec::new();
        for number in 0..=step.places() {
            port.wait(Duration::from_millis(1));
            places.push(port.reach(step, u8::try_from(number % 251).unwrap()));
        }
        assert_eq!(port.open(&places), step.places(), "{step:?}");
    }
}

#[test]
fn an_operator_has_a_number_of_places_of_its_own_and_none_without_the_token() {
    let mut port = Port::new();
    let operator = port.reach_all(Step::Began, PLACES_PER_OPERATOR + 1);
    for place in &operator {
        place.begin_request(port.now, Some("root"));
        place.end_request();
    }
    let other = port.reach(Step::Began, NETWORK);
    other.begin_request(port.now, Some("other"));
    operator[0].begin_request(port.now, None);
    operator[0].end_request();
    operator[1].begin_request(port.now, Some("root"));
    let _strangers = port.reach_all(Step::Asked, 1000);
    assert!(!port.is_open(&operator[0]), "without the token");
    assert_eq!(
        port.open(&operator[1..PLACES_PER_OPERATOR]),
        PLACES_PER_OPERATOR - 1
    );
    assert!(
        !port.is_open(&operator[PLACES_PER_OPERATOR]),
        "one operator cannot take all places"
    );
    assert!(port.is_open(&other));
}

#[test]
fn a_device_keeps_its_place_until_the_code_and_has_few_of_them() {
    let mut port = Port::new();
    let device = Device::new();
    let places = port.reach_all(Step::Asked, PLACES_PER_DEVICE + 1);
    for place in &places {
        place.handle_request();
        place.recognize(Owner::Device(device));
        place.end_request();
    }
    let _strangers = port.reach_all(Step::Asked, 1000);
    let (own, beyond) = places.split_at(PLACES_PER_DEVICE);
    assert_eq!(port.open(own), PLACES_PER_DEVICE);
    assert_eq!(port.open(beyond), 0, "a device cannot take all places");
    own[0].begin_request(port.now, None);
    own[0].end_request();
    let _strangers = port.reach_all(Step::Asked, 1000);
    assert!(port.is_open(&own[0]), "also for the request with the code");
}

#[test]
fn a_client_that_does_nothing_loses_its_place_and_one_that_has_asked_does_not() {
    let mut port = Port::new();
    let [silent, slow] = [0; 2].map(|_| port.enter(NETWORK));
    let asked = port.reach(Step::Asked, NETWORK);
    port.wait(PATIENCE / 2);
    slow.advance(port.now);
    port.wait(PATIENCE / 2);
    assert!(!port.is_open(&silent) && port.is_open(&slow) && port.is_open(&asked));
    port.wait(PATIENCE / 2);
    assert!(!port.is_open(&slow) && port.is_open(&asked));
}

#[test]
fn a_place_is_free_when_its_connection_ends() {
    for step in [Step::Connected, Step::Began, Step::Asked] {
        let mut port = Port::new();
        let first = port.reach(step, NETWORK);
        for _ in 0..1000 {
            drop(port.reach_all(step, 1));
        }
        assert!(port.is_open(&first), "{step:?}");
    }
}

#[tokio::test]
async fn those_that_are_displaced_are_woken() {
    let port = Port::new();
    let first = port.reach(Step::Asked, NETWORK);
    let mut lost = std::pin::pin!(first.lost());
    let until_woken = tokio::time::timeout(Duration::ZERO, lost.as_mut());
    assert!(until_woken.await.is_err(), "it waits");
    let mut others = Vec::new();
    while port.is_open(&first) {
        others.push(port.reach(Step::Asked, NETWORK));
    }
    // Unless it is woken, it looks again after the whole patience.
    assert!(tokio::time::timeout(PATIENCE / 2, lost).await.is_ok());
}
