//! Connections of strangers, and which of them make room for others.

use super::*;
use crate::simulation::random::Random;

const SHARED: &str = "10.0.0.1";
const HANDSHAKE: [Stage; 4] = [Stage::Silent, Stage::Tls, Stage::Irc, Stage::SignIn];

impl Door {
    /// Opens a connection, which progresses to the stage at once.
    fn connect_at(&self, stage: Stage) -> ConnectionPermit {
        let permit = self.connect(SHARED).expect("a place");
        permit.set_stage(self.now, stage);
        permit
    }
}

/// Returns the index of the connection that was displaced.
fn displaced(open: &[ConnectionPermit]) -> Option<usize> {
    open.iter().position(ConnectionPermit::is_displaced)
}

#[test]
fn the_one_that_has_progressed_the_least_is_displaced_and_of_equals_the_first_that_stopped() {
    let mut door = Door::new(Connections::default(), limits(0, 8));
    let mut open: Vec<_> = HANDSHAKE
        .into_iter()
        .rev()
        .flat_map(|stage| [stage, stage])
        .map(|stage| {
            door.now += MAX_TURN;
            door.connect_at(stage)
        })
        .collect();
    door.now += MAX_TURN;
    // The first connection at `Irc` progresses, the second one repeats its step.
    open[2].set_stage(door.now, Stage::SignIn);
    open[3].set_stage(door.now, Stage::Irc);
    door.now += MAX_TURN;
    let (mut new, mut order) = (Vec::new(), Vec::new());
    while !open.is_empty() {
        new.push(door.connect(SHARED).expect("one is displaced"));
        let index = displaced(&open).expect("one of those whose turn is over");
        order.push(open.remove(index).id);
    }
    assert_eq!(order, [6, 7, 4, 5, 3, 0, 1, 2]);
}

#[test]
fn one_that_has_just_progressed_stays_while_the_turn_of_another_one_is_over() {
    let mut door = Door::new(Connections::default(), limits(0, 3));
    let mut open = vec![door.connect_at(Stage::SignIn)];
    door.now += MAX_TURN;
    open.extend([Stage::Silent, Stage::Irc].map(|stage| door.connect_at(stage)));
    for least in [0, 0] {
        open.push(door.connect_at(Stage::Tls));
        assert_eq!(displaced(&open), Some(least), "it, then the silent one");
        open.remove(least);
    }
}

#[test]
fn a_turn_is_half_of_the_time_in_which_all_places_are_used_up_at_the_permitted_rate() {
    let address = SHARED.parse().expect("an address");
    let [network, site] = [
        Counted::Network(Network::of(address)),
        Counted::Site(Network::of_site(address)),
    ];
    assert_eq!(turn(network, 10) * 2, Duration::from_secs(1) * 10 / 20);
    assert_eq!(turn(site, 40), turn(network, 10), "it has four networks");
    assert_eq!(turn(Counted::All, 18_000), MAX_TURN);
}

/// Where nobody waits for a place, a slow connection costs nothing.
#[test]
fn nobody_is_displaced_within_seconds_while_places_are_free() {
    let mut door = Door::new(Connections::with_capacity(2 * SPARE), limits(0, 200));
    let open: Vec<_> = (1..2 * SPARE)
        .map(|_| door.connect_at(Stage::Silent))
        .collect();
    door.now += LONG_TURN.saturating_sub(Duration::from_millis(1));
    let _last = door.connect_at(Stage::Silent);
    assert_eq!(displaced(&open), None);
}

#[test]
fn those_beyond_the_share_of_the_waiting_room_make_room_for_handshakes() {
    let mut door = Door::new(Connections::default(), limits(0, 4));
    let mut open = vec![door.connect_at(Stage::Tls)];
    open.extend([(); 3].map(|()| door.wait(SHARED)));
    door.now += LONG_TURN;
    for expected in [Some(1), Some(0)] {
        open.push(door.connect_at(Stage::SignIn));
        assert_eq!(
            displaced(&open),
            expected,
            "one of three, then the handshake"
        );
        open.remove(expected.unwrap_or_default());
    }
    assert!(!open[..2].iter().any(ConnectionPermit::is_displaced));
}

/// Someone who opens 19 connections a second from an address whose admitted sessions hold all
/// places that they may have.
#[derive(Clone, Copy, Debug)]
struct Crowd {
    /// How far it takes each connection.
    stage: Stage,
    /// How many it opens at the same time.
    at_once: u32,
    /// How many it has in the waiting room.
    waiting: usize,
}

impl Crowd {
    /// Returns how many of 40 neighbours complete the handshake, who connect one after the other
    /// and take that long for each step after they have sent something.
    fn completed(self, step: Duration) -> usize {
        const TICK: Duration = Duration::from_millis(1);
        let mut random = Random(7);
        let mut door = Door::new(Connections::default(), limits(0, 100));
        let _admitted: Vec<_> = (0..90).map(|_| door.admit(SHARED)).collect();
        let _waiting: Vec<_> = (0..self.waiting).map(|_| door.wait(SHARED)).collect();
        let pause = Duration::from_secs(1) * self.at_once / 19;
        let mut next_crowd = door.now;
        let mut crowd = Vec::new();
        let mut completed = 0;
        for _ in 0..40 {
            let ticks = 1000 + u32::try_from(random.below(500)).expect("few");
            let hello = door.now + ticks * TICK;
            let steps = [hello, hello + 5 * TICK].into_iter();
            let steps: Vec<_> = steps.chain([1, 2].map(|n| hello + step * n)).collect();
            let mut neighbour = None;
            while door.now < hello + step * 3 {
                if door.now >= next_crowd {
                    next_crowd += pause;
                    crowd.retain(|permit: &ConnectionPermit| !permit.is_displaced());
                    // All connect before any of them has sent something.
                    let new = (0..self.at_once).filter_map(|_| door.connect(SHARED));
                    let new: Vec<_> = new.collect();
                    for permit in &new {
                        permit.set_stage(door.now, self.stage);
                    }
                    crowd.extend(new);
                }
                if let Some(reached) = steps.iter().rposition(|begin| door.now == *begin) {
                    let permit = neighbour.take().or_else(|| door.connect(SHARED));
                    neighbour = permit.inspect(|it| it.set_stage(door.now, HANDSHAKE[reached]));
                }
                door.now += TICK;
            }
            completed += usize::from(neighbour.is_some_and(|permit| !permit.is_displaced()));
        }
        completed
    }
}

#[test]
fn a_crowd_that_connects_as_fast_as_permitted_keeps_no_neighbour_out() {
    for (at_once, waiting) in [(1, 0), (1, 5), (5, 5), (10, 0)] {
        for stage in [Stage::Silent, Stage::Irc, Stage::SignIn, Stage::WaitingRoom] {
            let crowd = Crowd {
                stage,
                at_once,
                waiting,
            };
            let completed = crowd.completed(Duration::from_millis(100));
            assert!(completed >= 36, "{completed} of 40 beside {crowd:?}");
        }
    }
}

#[test]
fn a_crowd_that_sends_nothing_keeps_no_slow_neighbour_out() {
    for waiting in [0, 5] {
        let crowd = Crowd {
            stage: Stage::Silent,
            at_once: 1,
            waiting,
        };
        let completed = crowd.completed(Duration::from_secs(1));
        assert_eq!(completed, 40, "{crowd:?}");
    }
}
