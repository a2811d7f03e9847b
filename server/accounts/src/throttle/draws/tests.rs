use super::*;

/// A generator of numbers (xorshift64*), so that a seed repeats a run.
fn numbers(seed: u64) -> impl FnMut(u64) -> u64 + Send {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |below| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % below
    }
}

fn draws(seed: u64) -> Draws {
    let mut numbers = numbers(seed);
    Draws::new(Box::new(move |count| {
        usize::try_from(numbers(count as u64)).unwrap()
    }))
}

fn place() -> Place {
    (AccountId(1), Network::of([192, 0, 2, 1].into()))
}

/// The attempts of one client, which has a number of them at a time.
struct Attempts {
    waiting: Vec<Option<Ticket>>,
    /// When the client makes an attempt for each that has ended, again and again.
    again_after: Duration,
    again_at: Vec<Instant>,
}

impl Attempts {
    fn new(count: usize, first_at: Instant, again_after: Duration) -> Self {
        Self {
            waiting: (0..count).map(|_| None).collect(),
            again_after,
            again_at: vec![first_at; count],
        }
    }

    /// Makes the attempts that are due. Returns how many are made without being refused.
    fn step(&mut self, now: Instant, draws: &mut Draws) -> u32 {
        let mut made = 0;
        for (waiting, again_at) in self.waiting.iter_mut().zip(&mut self.again_at) {
            if waiting.is_none() && now >= *again_at {
                *waiting = draws.enter(now, place());
                made += u32::from(waiting.is_none());
                *again_at = now + self.again_after;
                continue;
            }
            let Some(ticket) = waiting else { continue };
            if now >= ticket.until {
                draws.draw(now, place());
            }
            match ticket.drawn.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => continue,
                Ok(()) => made += 1,
                Err(oneshot::error::TryRecvError::Closed) => {}
            }
            *waiting = None;
            *again_at = now + self.again_after;
        }
        made
    }
}

/// Returns after how many seconds an owner gets in whose client tries again a second after each
/// refusal, beside a stranger who has so many attempts at any time.
fn seconds_until_the_owner_is_in(seed: u64, of_stranger: usize) -> u64 {
    const STEP: Duration = Duration::from_millis(100);
    let started = Instant::now();
    let mut draws = draws(seed);
    // As if the network had reached its limit just now.
    assert!(draws.enter(started, place()).is_none());
    let mut stranger = Attempts::new(of_stranger, started, Duration::ZERO);
    let first_at = started + Duration::from_millis(numbers(seed)(10_000));
    let mut owner = Attempts::new(1, first_at, Duration::from_secs(1));
    let mut now = started;
    let last = started + Duration::from_hours(2);
    while now < last {
        stranger.step(now, &mut draws);
        if owner.step(now, &mut draws) > 0 {
            break;
        }
        now += STEP;
    }
    now.saturating_duration_since(first_at).as_secs()
}

#[test]
fn a_stranger_who_tries_without_end_seldom_keeps_the_owner_out_for_a_minute() {
    let within_a_minute = (0..100).filter(|&seed| seconds_until_the_owner_is_in(seed, 1) <= 60);
    let count = within_a_minute.count();
    assert!(count >= 95, "{count} of 100");
}

#[test]
fn an_owner_waits_for_one_more_pause_for_each_attempt_of_a_stranger() {
    for of_stranger in [1, 4, 20] {
        let seconds = (0..200).map(|seed| seconds_until_the_owner_is_in(seed, of_stranger));
        let pauses = seconds.sum::<u64>() / 200 / PAUSE.as_secs();
        let expected = of_stranger as u64 + 1;
        assert!(
            pauses <= expected + expected / 4,
            "{pauses} for {of_stranger}"
        );
    }
}

#[test]
fn one_attempt_in_a_pause_is_made_however_many_wait() {
    let started = Instant::now();
    let mut draws = draws(1);
    let mut strangers = Attempts::new(2 * MAX_WAITING, started, Duration::ZERO);
    let steps = (0..3600).map(|second| started + Duration::from_secs(second));
    let made: u32 = steps.map(|now| strangers.step(now, &mut draws)).sum();
    assert_eq!(made, 360);
    assert!(draws.at[&place()].waiting.len() <= MAX_WAITING);
}

#[test]
fn no_attempt_waits_for_longer_than_a_pause_and_those_that_leave_are_not_drawn() {
    let now = Instant::now();
    let mut draws = draws(1);
    assert!(draws.enter(now, place()).is_none());
    let left: Vec<_> = (0..20).map(|_| draws.enter(now, place())).collect();
    drop(left);
    let mut waits = draws.enter(now + PAUSE / 2, place()).unwrap();
    assert_eq!(waits.until, now + PAUSE);
    draws.draw(now + PAUSE * 9 / 10, place());
    assert!(waits.drawn.try_recv().is_err());
    draws.draw(waits.until, place());
    waits.drawn.try_recv().unwrap();
}

#[test]
fn after_a_sign_in_the_next_device_of_the_owner_need_not_wait() {
    let now = Instant::now();
    let mut draws = draws(1);
    assert!(draws.enter(now, place()).is_none());
    draws.end_pause(now, place());
    assert!(draws.enter(now, place()).is_none());
    let mut next = draws.enter(now, place()).unwrap();
    draws.end_pause(now, place());
    next.drawn.try_recv().unwrap();
}

#[test]
fn draws_that_are_over_are_forgotten_and_others_are_not() {
    let now = Instant::now();
    let mut draws = draws(1);
    let at = |number: u64| (AccountId(i64::try_from(number).unwrap()), place().1);
    assert!(draws.enter(now, at(0)).is_none());
    let mut waits = draws.enter(now, at(0)).unwrap();
    for number in 1..10_000 {
        let later = now + PAUSE * u32::try_from(number).unwrap();
        assert!(draws.enter(later, at(number)).is_none());
    }
    assert!(draws.at.len() <= REMEMBERED);
    draws.draw(waits.until, at(0));
    waits.drawn.try_recv().unwrap();
}
