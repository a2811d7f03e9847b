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

    fn queue(&mut self, network: u8) -> Place {
        let network = Network::of([192, 0, 2, network].into());
        self.places.queue(self.now, network).unwrap()
    }

    /// Connects, and waits for a place.
    fn enter(&mut self, network: u8) -> Place {
        let place = self.queue(network);
        while let Err(wait) = place.try_enter(self.now) {
            self.wait(wait);
        }
        place
    }

    fn enter_all(&mut self, count: usize) -> Vec<Place> {
        (0..count).map(|_| self.enter(NETWORK)).collect()
    }

    fn is_open(&self, place: &Place) -> bool {
        place.patience(self.now).is_some()
    }

    fn open(&self, places: &[Place]) -> usize {
        places.iter().filter(|place| self.is_open(place)).count()
    }
}

#[test]
fn a_new_connection_displaces_the_stranger_that_has_shown_nothing_for_the_longest() {
    let mut port = Port::new();
    let slow = port.enter_all(STRANGERS_PER_NETWORK);
    port.wait(TURN);
    slow[0].advance(port.now);
    let elsewhere = port.enter(2);
    let new = port.queue(NETWORK);
    assert_eq!(new.try_enter(port.now), Ok(()));
    assert_eq!(port.open(&slow), STRANGERS_PER_NETWORK - 1);
    assert!(!port.is_open(&slow[1]), "the first one did something since");
    assert!(port.is_open(&elsewhere) && port.is_open(&new));
}

#[test]
fn each_connection_has_its_turn_in_the_order_of_the_queue() {
    let mut port = Port::new();
    let first = port.enter_all(STRANGERS_PER_NETWORK);
    port.wait(TURN / 4);
    let queued = [port.queue(NETWORK), port.queue(NETWORK)];
    assert_eq!(queued[1].try_enter(port.now), Err(PATIENCE));
    assert_eq!(queued[0].try_enter(port.now), Err(TURN / 4 * 3));
    assert_eq!(port.open(&first), STRANGERS_PER_NETWORK);
    assert_eq!(
        port.queue(2).try_enter(port.now),
        Ok(()),
        "another network does not wait"
    );
    port.wait(TURN / 4 * 3);
    assert_eq!(queued[0].try_enter(port.now), Ok(()));
    assert_eq!(queued[1].try_enter(port.now), Ok(()));
    assert_eq!(port.open(&first), STRANGERS_PER_NETWORK - 2);
}

#[test]
fn a_client_that_acts_at_once_is_served_however_many_others_connect() {
    let mut port = Port::new();
    let silent = port.enter_all(STRANGERS_PER_NETWORK);
    let flood: Vec<Place> = (1..QUEUED_PER_NETWORK)
        .map(|_| port.queue(NETWORK))
        .collect();
    let quick = port.queue(NETWORK);
    let network = Network::of([192, 0, 2, NETWORK].into());
    assert!(port.places.queue(port.now, network).is_none());
    let start = port.now;
    for place in &flood {
        while let Err(wait) = place.try_enter(port.now) {
            port.wait(wait);
        }
    }
    while let Err(wait) = quick.try_enter(port.now) {
        port.wait(wait);
    }
    assert!(port.now - start <= Duration::from_secs(1));
    let mut others = Vec::new();
    for _ in 0..3 {
        others.extend(port.enter_all(STRANGERS_PER_NETWORK / 2));
        assert!(port.is_open(&quick));
        port.wait(TURN / 4);
        quick.advance(port.now);
    }
    quick.begin_request(port.now, Some("root"));
    others.extend(port.enter_all(2 * STRANGERS));
    assert!(port.is_open(&quick), "it is an operator's now");
    assert_eq!(port.open(&silent), 0);
}

#[test]
fn a_connection_whose_request_is_handled_is_not_displaced() {
    let mut port = Port::new();
    let busy = port.enter(NETWORK);
    busy.begin_request(port.now, None);
    busy.handle_request();
    let mut others = port.enter_all(2 * STRANGERS);
    assert!(port.is_open(&busy));
    busy.end_request();
    others.extend(port.enter_all(STRANGERS_PER_NETWORK));
    assert!(!port.is_open(&busy), "its request is answered");
}

#[test]
fn a_request_whose_body_does_not_arrive_is_displaced() {
    let mut port = Port::new();
    let slow = port.enter(NETWORK);
    slow.begin_request(port.now, None);
    let _others = port.enter_all(STRANGERS_PER_NETWORK);
    assert!(!port.is_open(&slow));
}

#[test]
fn requests_do_not_prolong_a_strangers_turn() {
    let mut port = Port::new();
    let asking = port.enter_all(STRANGERS_PER_NETWORK);
    for _ in 0..20 {
        for place in &asking {
            place.begin_request(port.now, None);
            place.handle_request();
            place.end_request();
        }
        port.wait(TURN / 4);
    }
    let new = port.queue(NETWORK);
    assert_eq!(new.try_enter(port.now), Ok(()));
    assert_eq!(port.open(&asking), STRANGERS_PER_NETWORK - 1);
}

#[test]
fn a_sign_in_makes_the_connection_the_operators_before_its_answer() {
    let mut port = Port::new();
    let operator = port.enter(NETWORK);
    operator.begin_request(port.now, None);
    operator.handle_request();
    operator.recognize(Owner::Operator("root".to_owned()));
    operator.end_request();
    let _others = port.enter_all(2 * STRANGERS);
    assert!(port.is_open(&operator));
}

#[test]
fn a_place_is_for_the_network_that_has_the_fewest() {
    let mut port = Port::new();
    let many: Vec<Place> = (0..STRANGERS_PER_NETWORK).map(|_| port.enter(1)).collect();
    let mut more: Vec<Place> = (0..STRANGERS_PER_NETWORK).map(|_| port.enter(2)).collect();
    let waiting = port.queue(2);
    drop(more.pop());
    let few = port.queue(3);
    assert_eq!(waiting.try_enter(port.now), Err(TURN));
    assert_eq!(few.try_enter(port.now), Ok(()));
    port.wait(TURN);
    assert_eq!(waiting.try_enter(port.now), Ok(()));
    assert!(port.is_open(&few) && port.open(&more) == STRANGERS_PER_NETWORK - 1);
    assert_eq!(port.open(&many), STRANGERS_PER_NETWORK - 1);
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
    /// Does what is due of one connection, whose place was taken at `since`.
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

/// A crowd fills all places and some of the queue, and always acts first.
#[test]
fn whatever_strangers_do_a_newcomer_of_another_network_is_served_within_a_second() {
    const TICK: Duration = Duration::from_millis(20);
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
        let mut strangers: Vec<(Place, u8, Option<Instant>)> = (0..STRANGERS + 32)
            .map(|number| u8::try_from(number).unwrap() % crowd.networks)
            .map(|network| (port.queue(network), network, None))
            .collect();
        for _ in 0..2 {
            let (mut newcomer, queued_at) = (None::<Place>, port.now + 3 * TURN);
            let mut served_at = None;
            while served_at.is_none_or(|served_at| port.now - served_at < 3 * TURN) {
                for (place, network, since) in &mut strangers {
                    let is_over = since.is_some_and(|since| port.now - since >= crowd.end);
                    if is_over || !port.is_open(place) {
                        (*place, *since) = (port.queue(*network), None);
                    }
                    if since.is_none() && place.try_enter(port.now).is_ok() {
                        *since = Some(port.now);
                    }
                    if let Some(since) = since {
                        crowd.act(&port, place, *since);
                    }
                }
                if port.now >= queued_at {
                    let newcomer = newcomer.get_or_insert_with(|| port.queue(200));
                    if served_at.is_none() && newcomer.try_enter(port.now).is_ok() {
                        served_at = Some(port.now);
                    }
                    assert!(port.is_open(newcomer), "{crowd:?}: it lost its place");
                    let waited = port.now - served_at.map_or(queued_at, |_| port.now);
                    assert!(waited <= Duration::from_secs(1), "{crowd:?}: no place");
                }
                port.wait(TICK);
            }
        }
    }
}

#[test]
fn all_networks_together_are_limited_as_well() {
    let mut port = Port::new();
    let places: Vec<Place> = (0..=STRANGERS)
        .map(|number| port.enter(u8::try_from(number).unwrap()))
        .collect();
    assert_eq!(port.open(&places), STRANGERS);
    assert!(!port.is_open(&places[0]));
}

#[test]
fn an_operator_has_a_number_of_places_of_its_own_and_none_without_the_token() {
    let mut port = Port::new();
    let operator = port.enter_all(PLACES_PER_OPERATOR + 1);
    for place in &operator {
        place.begin_request(port.now, Some("root"));
        place.end_request();
    }
    let other = port.enter(NETWORK);
    other.begin_request(port.now, Some("other"));
    operator[0].begin_request(port.now, None);
    operator[0].end_request();
    operator[1].begin_request(port.now, Some("root"));
    let _strangers = port.enter_all(STRANGERS_PER_NETWORK);
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
    let places = port.enter_all(PLACES_PER_DEVICE + 1);
    for place in &places {
        place.begin_request(port.now, None);
        place.handle_request();
        place.recognize(Owner::Device(device));
        place.end_request();
    }
    let strangers = port.enter_all(2 * STRANGERS);
    let (own, beyond) = places.split_at(PLACES_PER_DEVICE);
    assert_eq!(port.open(own), PLACES_PER_DEVICE);
    assert_eq!(port.open(beyond), 0, "a device cannot take all places");
    own[0].begin_request(port.now, None);
    own[0].end_request();
    drop(strangers);
    let _strangers = port.enter_all(2 * STRANGERS);
    assert!(port.is_open(&own[0]), "also for the request with the code");
}

#[test]
fn a_full_queue_has_room_for_another_network_than_those_that_fill_it() {
    let mut port = Port::new();
    let _slow: Vec<_> = (0..2).flat_map(|_| port.enter_all(STRANGERS / 4)).collect();
    let queued: Vec<_> = (0..QUEUED)
        .map(|number| port.queue(u8::try_from(number % 3 + 10).unwrap()))
        .collect();
    let new = port.queue(20);
    let lost = queued.iter().filter(|place| !port.is_open(place));
    assert_eq!(lost.count(), 1, "the newest of the longest queue");
    assert_eq!(new.try_enter(port.now), Ok(()));
    let network = Network::of([192, 0, 2, 10].into());
    let _new = port.queue(21);
    assert!(port.places.queue(port.now, network).is_none());
}

#[test]
fn a_client_that_does_nothing_loses_its_place_and_one_that_has_asked_does_not() {
    let mut port = Port::new();
    let [silent, slow, asked] = [0; 3].map(|_| port.enter(NETWORK));
    asked.begin_request(port.now, None);
    asked.end_request();
    port.wait(PATIENCE / 2);
    slow.advance(port.now);
    port.wait(PATIENCE / 2);
    assert!(!port.is_open(&silent) && port.is_open(&slow) && port.is_open(&asked));
    port.wait(PATIENCE / 2);
    assert!(!port.is_open(&slow) && port.is_open(&asked));
}

#[test]
fn a_place_is_free_when_its_connection_ends() {
    let mut port = Port::new();
    let first = port.enter(NETWORK);
    for _ in 0..2 * STRANGERS {
        drop(port.enter(NETWORK));
    }
    assert!(port.is_open(&first));
}

#[tokio::test]
async fn those_that_wait_and_those_that_are_displaced_are_woken() {
    let places = Arc::new(Places::default());
    let queue = || {
        let network = Network::of([192, 0, 2, NETWORK].into());
        places.queue(Instant::now(), network).unwrap()
    };
    let known: Vec<Place> = (0..STRANGERS_PER_NETWORK).map(|_| queue()).collect();
    for place in &known {
        place.entered().await;
        place.begin_request(Instant::now(), None);
    }
    let queued = [queue(), queue(), queue()];
    let woken = async {
        tokio::join!(
            queued[2].entered(),
            queued[1].entered(),
            queued[0].entered(),
            known[0].lost()
        )
    };
    // Unless they are woken, they look again after the whole patience.
    assert!(tokio::time::timeout(PATIENCE / 2, woken).await.is_ok());
}
