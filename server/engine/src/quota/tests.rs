use super::*;

mod admitted;
mod strangers;

fn limits(total: usize, per_address: usize) -> ConnectionLimits {
    ConnectionLimits { total, per_address }
}

impl ConnectionPermit {
    /// Whether the connection was displaced by another one, and has to end.
    fn is_displaced(&self) -> bool {
        let counts = self.connections.counts.lock();
        !counts.open.contains_key(&self.id)
    }
}

/// Opens connections at a time that each test sets.
struct Door {
    connections: Arc<Connections>,
    now: Instant,
    limits: ConnectionLimits,
}

impl Door {
    fn new(connections: Connections, limits: ConnectionLimits) -> Self {
        Self {
            connections: Arc::new(connections),
            now: Instant::now(),
            limits,
        }
    }

    fn connect(&self, address: &str) -> Option<ConnectionPermit> {
        let NewConnection { permit, place, .. } = self.open(address)?;
        place.is_none().then_some(permit)
    }

    async fn acquire(&self, address: &str) -> Option<ConnectionPermit> {
        self.open(address)?.place().await
    }

    /// Opens a connection that may have to wait for its place.
    fn open(&self, address: &str) -> Option<NewConnection> {
        let address = address.parse().expect("an address");
        Connections::open(&self.connections, self.now, address, self.limits)
    }

    /// Opens the connection of a session that is admitted, and whose account has no other one.
    fn admit(&self, address: &str) -> ConnectionPermit {
        let permit = self.connect(address).expect("no limit is reached");
        assert_eq!(self.sign_in(&permit, account(1000 + permit.id)), Ok(None));
        permit
    }

    /// Admits a session, whose id is that of the connection. Returns the one that is displaced.
    fn sign_in(&self, permit: &ConnectionPermit, owner: Owner) -> Result<Option<u64>, NotAdmitted> {
        let displaced = permit.admit(SessionId(permit.id), owner, self.limits)?;
        Ok(displaced.map(|session| session.0))
    }

    /// Opens the connection of a session that enters the waiting room.
    fn wait(&self, address: &str) -> ConnectionPermit {
        let permit = self.connect(address).expect("no limit is reached");
        permit.set_stage(self.now, Stage::WaitingRoom);
        permit
    }
}

fn account(number: u64) -> Owner {
    Owner::Account(AccountId(number.try_into().expect("a small number")))
}

fn guests(address: &str) -> Owner {
    Owner::Guests(Network::of(address.parse().expect("an address")))
}

#[test]
fn an_ipv6_network_counts_as_one_address() {
    let door = Door::new(Connections::default(), limits(0, 1));
    let _first = door.admit("2001:db8::1");
    assert!(door.connect("2001:db8::ffff:2").is_none());
    assert!(door.connect("2001:db8:0:1::1").is_some());
}

#[test]
fn an_ipv6_site_counts_as_four_addresses() {
    let door = Door::new(Connections::default(), limits(0, 1));
    let networks = (0..4).map(|network| format!("2001:db8:0:{network}::1"));
    let _open: Vec<_> = networks.map(|address| door.admit(&address)).collect();
    assert!(door.connect("2001:db8:0:4::1").is_none());
    assert!(door.connect("2001:db8:1::1").is_some());
}

#[test]
fn the_total_and_each_address_are_limited_and_dropped_permits_no_longer_count() {
    let door = Door::new(Connections::default(), limits(3, 2));
    let first = door.admit("10.0.0.1");
    let _second = door.admit("10.0.0.1");
    assert!(door.connect("10.0.0.1").is_none(), "two for each address");
    let _third = door.admit("10.0.0.2");
    assert!(door.connect("10.0.0.2").is_none(), "three in total");
    drop(first);
    assert!(door.connect("10.0.0.1").is_some());
    assert_eq!(door.connections.count(), 2);
    let unlimited = Door {
        limits: limits(0, 0),
        ..door
    };
    assert!(unlimited.connect("10.0.0.1").is_some(), "0 means no limit");
}

#[test]
fn the_process_cannot_have_more_connections_than_its_capacity_whatever_the_limits_are() {
    for limit in [0, 5] {
        let door = Door::new(Connections::with_capacity(2), limits(limit, 0));
        let _open = ["10.0.0.1", "10.0.0.2"].map(|address| door.admit(address));
        assert!(door.connect("10.0.0.3").is_none());
    }
}

#[test]
fn a_new_connection_displaces_the_oldest_stranger_of_its_address() {
    let mut door = Door::new(Connections::default(), limits(0, 3));
    let admitted = door.admit("10.0.0.1");
    let elsewhere = door.connect("10.0.0.2").expect("another address");
    let oldest = door.connect("10.0.0.1").expect("the second of three");
    door.now += MAX_TURN;
    let later = door.connect("10.0.0.1").expect("the third");
    assert!(!oldest.is_displaced(), "a place was free");
    door.now += MAX_TURN;
    let new = door.connect("10.0.0.1").expect("one is displaced");
    assert!(oldest.is_displaced());
    drop(oldest);
    for stays in [&admitted, &elsewhere, &later, &new] {
        assert!(!stays.is_displaced());
    }
    assert_eq!(door.connections.count(), 4, "it is not subtracted twice");
}

#[test]
fn a_new_connection_displaces_a_stranger_of_another_address_if_there_are_too_many_in_total() {
    let mut door = Door::new(Connections::default(), limits(2, 0));
    let stranger = door.connect("10.0.0.1").expect("the first of two");
    let _admitted = door.admit("10.0.0.2");
    assert!(!stranger.is_displaced(), "a place was free");
    assert!(door.connect("10.0.0.3").is_none(), "it is not closed yet");
    assert!(stranger.is_displaced());
    assert_eq!(door.connections.count(), 2);
    drop(stranger);
    let _new = door.admit("10.0.0.3");
    door.now += WAITING_ROOM_TURN;
    assert!(door.connect("10.0.0.4").is_none(), "both are admitted");
}

/// Each is an open file, of which some are left to operators.
#[test]
fn connections_that_were_displaced_count_in_the_total_until_they_are_closed() {
    let mut door = Door::new(Connections::with_capacity(2 * SPARE), limits(0, 0));
    let open: Vec<_> = (2..2 * SPARE)
        .map(|_| door.connect("10.0.0.1").expect("two are spare"))
        .collect();
    door.now += LONG_TURN;
    let _new = [(), ()].map(|()| door.connect("10.0.0.2").expect("one is displaced"));
    assert_eq!(door.connections.count(), 2 * SPARE);
    for _ in 0..10 {
        assert!(door.connect("10.0.0.2").is_none(), "three are closing");
    }
    let (closing, stay): (Vec<_>, Vec<_>) =
        open.into_iter().partition(ConnectionPermit::is_displaced);
    assert_eq!((closing.len(), stay.len()), (3, 2 * SPARE - 5));
    drop(closing);
    assert_eq!(door.connections.count(), 2 * SPARE - 3);
    assert!(door.connect("10.0.0.2").is_some());
}

#[test]
fn connections_that_were_displaced_no_longer_count_for_their_address() {
    let mut door = Door::new(Connections::default(), limits(0, 100));
    let silent: Vec<_> = (0..100)
        .map(|_| door.connect("10.0.0.1").expect("a hundred are permitted"))
        .collect();
    door.now += MAX_TURN;
    let new: Vec<_> = (0..100)
        .map(|index| match index {
            0..90 => door.admit("10.0.0.1"),
            _ => door.connect("10.0.0.1").expect("one is displaced"),
        })
        .collect();
    assert!(silent.iter().all(ConnectionPermit::is_displaced));
    assert!(!new.iter().any(ConnectionPermit::is_displaced));
    let _next = door.connect("10.0.0.1").expect("one is displaced");
    assert!(new[90].is_displaced(), "the oldest that is not admitted");
}

#[test]
fn those_who_wait_for_a_mail_stay_while_others_behind_their_address_connect() {
    let mut door = Door::new(Connections::default(), limits(0, 100));
    let waiting: Vec<_> = (0..50).map(|_| door.wait("10.0.0.1")).collect();
    let mut others: Vec<_> = (0..50)
        .map(|_| door.connect("10.0.0.1").expect("a hundred are permitted"))
        .collect();
    for _ in 0..190 {
        door.now += MAX_TURN;
        others.push(door.connect("10.0.0.1").expect("one is displaced"));
    }
    assert!(!waiting.iter().any(ConnectionPermit::is_displaced));
}

#[test]
fn those_in_the_waiting_room_are_displaced_beyond_half_of_the_places_and_if_they_leave_none() {
    type AddressOf = fn(usize) -> String;
    let cases: [(ConnectionLimits, AddressOf); 3] = [
        (limits(0, 100), |_| "10.0.0.1".to_owned()),
        (limits(0, 25), |network| {
            format!("2001:db8:0:{network:x}::1")
        }),
        (limits(100, 0), |host| {
            format!("10.0.{}.{}", host / 256, host % 256)
        }),
    ];
    for ((limits, address), to_admit) in cases
        .into_iter()
        .flat_map(|case| [(case, 0), (case, 60), (case, 90)])
    {
        let mut door = Door::new(Connections::default(), limits);
        let mut waiting: Vec<_> = (0..100)
            .map(|index| {
                let permit = door.wait(&address(index));
                door.now += Duration::from_millis(1);
                permit
            })
            .collect();
        door.now += MAX_TURN;
        let (mut new, mut admitted) = (Vec::new(), 0);
        for index in 100..300 {
            if let Some(permit) = door.connect(&address(index)) {
                if admitted < to_admit {
                    admitted += 1;
                    assert_eq!(door.sign_in(&permit, account(permit.id)), Ok(None));
                }
                new.push(permit);
            }
            let kept = waiting.len();
            waiting.retain(|permit| !permit.is_displaced());
            assert!(kept - waiting.len() <= 1, "one at most for each");
            new.retain(|permit: &ConnectionPermit| !permit.is_displaced());
        }
        let kept = 50.min(95 - to_admit);
        assert_eq!((waiting.len(), new.len()), (kept, 100 - kept), "{limits:?}");
        let newest: Vec<_> = waiting.iter().map(|permit| permit.id).collect();
        let oldest = newest[0];
        assert!(
            newest.is_sorted() && oldest == 100 - kept as u64,
            "the oldest went"
        );
    }
}

#[test]
fn the_turn_in_the_waiting_room_is_long_and_begins_once() {
    let mut door = Door::new(Connections::default(), limits(0, 2));
    let _admitted = door.admit("10.0.0.1");
    let waiting = door.connect("10.0.0.1").expect("the second of two");
    door.now += MAX_TURN;
    waiting.set_stage(door.now, Stage::WaitingRoom);
    door.now += WAITING_ROOM_TURN.saturating_sub(Duration::from_secs(1));
    assert!(door.connect("10.0.0.1").is_none());
    waiting.set_stage(door.now, Stage::WaitingRoom);
    assert_eq!(door.sign_in(&waiting, account(1)), Ok(None));
    waiting.set_stage(door.now, Stage::WaitingRoom);
    door.now += Duration::from_secs(1);
    assert!(door.connect("10.0.0.1").is_some());
    let admission = door.sign_in(&waiting, account(1));
    assert_eq!(admission, Err(NotAdmitted::Displaced));
}

/// Those that were displaced may be the first to connect again.
#[tokio::test]
async fn a_new_connection_gets_the_place_that_it_has_freed() {
    let address = |index| format!("10.0.0.{}", index % 3);
    for (limits, new) in [
        (limits(3, 0), "10.0.1.1"),
        (limits(200, 0), "10.0.1.1"),
        (limits(4, 2), "10.0.0.0"),
    ] {
        let mut door = Door::new(Connections::default(), limits);
        let mut strangers: Vec<_> = (0..limits.total)
            .map(|index| door.connect(&address(index)).expect("a place"))
            .collect();
        door.now += MAX_TURN;
        let mut new = Box::pin(door.acquire(new));
        tokio::select! {
            biased;
            permit = &mut new => panic!("{} instead of waiting", permit.is_some()),
            () = std::future::ready(()) => {}
        }
        let displaced = strangers
            .iter()
            .position(ConnectionPermit::is_displaced)
            .expect("one");
        drop(strangers.swap_remove(displaced));
        assert!(
            door.connect(&address(displaced)).is_none(),
            "it does not take the place"
        );
        let permit = new.await.expect("it has the place");
        assert_eq!(door.sign_in(&permit, account(1)), Ok(None));
        assert!(!permit.is_displaced());
        assert_eq!(door.connections.count(), limits.total);
        drop(strangers);
        assert_eq!(door.connections.count(), 1);
    }
}

/// Each is an open file beyond the limit.
#[tokio::test]
async fn a_limited_number_of_connections_waits_while_those_that_were_displaced_do_not_close() {
    let mut door = Door::new(Connections::default(), limits(1000, 0));
    let strangers: Vec<_> = (0..1000)
        .map(|_| door.connect("10.0.0.1").expect("a place"))
        .collect();
    door.now += MAX_TURN;
    let open = || door.open("10.0.0.2");
    let waiting: Vec<_> = std::iter::from_fn(open).collect();
    assert_eq!(waiting.len(), MAX_WAITING);
    assert_eq!(door.connections.count(), 1000);
    let displaced = || strangers.iter().filter(|one| one.is_displaced()).count();
    assert_eq!(displaced(), MAX_WAITING, "none was displaced for nothing");
    drop(waiting);
    assert!(door.open("10.0.0.2").is_some(), "others wait instead");
    drop(strangers);
    assert_eq!(door.connections.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_is_refused_if_the_displaced_one_does_not_close_in_time() {
    let mut door = Door::new(Connections::default(), limits(1, 0));
    let stranger = door.connect("10.0.0.1").expect("a place");
    door.now += MAX_TURN;
    assert!(door.acquire("10.0.0.2").await.is_none());
    assert_eq!(door.connections.count(), 1);
    drop(stranger);
    assert_eq!(door.connections.count(), 0);
    assert!(door.connect("10.0.0.2").is_some());
}

#[tokio::test]
async fn a_connection_that_is_displaced_is_notified() {
    let mut door = Door::new(Connections::default(), limits(0, 1));
    let stranger = door.connect("10.0.0.1").expect("the first");
    door.now += MAX_TURN;
    let _new = door.connect("10.0.0.1").expect("it displaces the first");
    stranger.displaced().await;
}
