//! What waits in send queues, and when they are ended.

use std::sync::atomic::AtomicBool;
use std::thread;

use super::*;

const ALICE: Rank = Rank::Account(AccountId(1));
const BOB: Rank = Rank::Account(AccountId(2));

fn guest() -> Rank {
    Rank::Guest(Network::of([192, 0, 2, 1].into()))
}

fn poll(sendq: &Sendq) -> (State, Vec<Bytes>) {
    let (state, lines) = sendq.poll(&mut Context::from_waker(Waker::noop()), true);
    (state, lines.into())
}

#[test]
fn lines_are_returned_in_order_and_once() {
    let sendq = Sendq::new(100);
    assert!(
        sendq.push(Bytes::from_static(b"a")),
        "the connection has to be woken for the first line"
    );
    assert!(
        !sendq.push(Bytes::from_static(b"b")),
        "the connection need not be woken again"
    );
    assert_eq!(
        poll(&sendq),
        (
            State::Open,
            vec![Bytes::from_static(b"a"), Bytes::from_static(b"b")]
        )
    );
    assert_eq!(poll(&sendq), (State::Open, vec![]));
    assert!(
        sendq.push(Bytes::from_static(b"c")),
        "the connection may be waiting again"
    );
}

#[test]
fn lines_that_are_taken_but_not_sent_count_towards_the_limit() {
    let sendq = Sendq::new(10);
    sendq.push(Bytes::from_static(b"12345678"));
    poll(&sendq);
    sendq.push(Bytes::from_static(b"123"));
    assert_eq!(poll(&sendq), (State::Overflowed, vec![]));
}

#[test]
fn an_admitted_session_may_have_more_for_a_while() {
    let start = Instant::now();
    let full = || {
        let sendq = Sendq::new(0);
        sendq.set_rank(guest(), 10);
        for _ in 0..EXCESS {
            sendq.push_at(Bytes::from_static(b"1234567890"), || start);
        }
        assert_eq!(poll(&sendq).0, State::Open);
        sendq
    };
    let push_after = |sendq: &Sendq, time| {
        sendq.push_at(Bytes::from_static(b"1"), || start + time);
        poll(sendq).0
    };
    assert_eq!(push_after(&full(), Duration::ZERO), State::Overflowed);
    let sendq = full();
    sendq.sent(25);
    assert_eq!(push_after(&sendq, EXCESS_TIME), State::Open);
    let late = EXCESS_TIME + Duration::from_secs(1);
    assert_eq!(push_after(&sendq, late), State::Overflowed);
    let sendq = full();
    sendq.sent(30);
    assert_eq!(push_after(&sendq, late), State::Open, "it has caught up");
}

#[test]
fn sent_lines_no_longer_count_towards_the_limit() {
    let sendq = Sendq::new(10);
    for _ in 0..5 {
        sendq.push(Bytes::from_static(b"12345678"));
        assert_eq!(poll(&sendq).0, State::Open);
        sendq.sent(8);
    }
}

#[test]
fn an_ended_queue_returns_its_lines_and_accepts_no_more() {
    let sendq = Sendq::new(0);
    sendq.end(Bytes::from_static(b"last"), false);
    assert!(!sendq.push(Bytes::from_static(b"too late")));
    assert_eq!(
        poll(&sendq),
        (
            State::Ending { asks: false },
            vec![Bytes::from_static(b"last")]
        )
    );
    assert_eq!(poll(&sendq), (State::Ending { asks: false }, vec![]));
}

#[test]
fn lines_stay_in_the_queue_until_they_are_taken() {
    let sendq = Sendq::new(0);
    sendq.push(Bytes::from_static(b"a"));
    let (_, lines) = sendq.poll(&mut Context::from_waker(Waker::noop()), false);
    assert!(lines.is_empty());
    assert_eq!(poll(&sendq).1.len(), 1);
}

/// Fills the queue with that many lines of one page.
fn fill(sendq: &Sendq, pages: usize) {
    for _ in 0..pages {
        sendq.push(Bytes::from(vec![b'x'; PAGE]));
    }
}

#[test]
fn the_fullest_queues_of_the_lowest_rank_are_ended_when_all_exceed_their_limit() {
    let all = Arc::new(Sendqs::default());
    all.set_limit(16 * PAGE);
    let queues = [
        (ALICE, 5),
        (guest(), 4),
        (Rank::Stranger, 1),
        (Rank::Stranger, 2),
    ]
    .map(|(rank, pages)| {
        let sendq = all.open(0);
        sendq.set_rank(rank, 0);
        fill(&sendq, pages);
        sendq
    });
    let states = || queues.each_ref().map(|sendq| poll(sendq).0);
    let last = all.open(0);
    last.set_rank(BOB, 0);
    fill(&last, 4);
    assert_eq!(states(), [State::Open; 4], "16 pages are within the limit");
    fill(&last, 1);
    // 17 pages: without the strangers' 3, there are 14, which leaves an eighth free.
    let [open, overflowed] = [State::Open, State::Overflowed];
    assert_eq!(states(), [open, open, overflowed, overflowed]);
    assert_eq!(poll(&last).0, State::Open);
    fill(&last, 3);
    assert_eq!(states(), [open, overflowed, overflowed, overflowed]);
    fill(&last, 4);
    assert_eq!(states()[0], State::Open, "the fullest is ended first");
    assert_eq!(poll(&last).0, State::Overflowed);
}

/// Many sessions that read nothing fill the total, and a burst reaches one that reads, but slowly.
#[test]
fn those_who_have_the_most_in_all_their_queues_are_ended_first() {
    let all = Arc::new(Sendqs::default());
    all.set_limit(64 * PAGE);
    let open = |rank, pages| {
        let sendq = all.open(0);
        sendq.set_rank(rank, 0);
        fill(&sendq, pages);
        sendq
    };
    let silent: Vec<_> = (0..12).map(|_| open(ALICE, 4)).collect();
    let reader = open(BOB, 8);
    assert_eq!(all.bytes.load(Ordering::Relaxed), 56 * PAGE);
    fill(&reader, 9);
    let ended = silent
        .iter()
        .filter(|sendq| poll(sendq).0 == State::Overflowed);
    assert_eq!(ended.count(), 3, "as few as leave an eighth free");
    assert_eq!(poll(&reader).0, State::Open);
}

#[test]
fn what_the_core_holds_counts_in_the_total_and_not_for_the_session() {
    let all = Arc::new(Sendqs::default());
    all.set_limit(16 * PAGE);
    let [holder, other] = [(); 2].map(|()| all.open(4 * PAGE));
    holder.set_held(15 * PAGE);
    assert_eq!(poll(&holder).0, State::Open);
    fill(&other, 2);
    assert_eq!(poll(&holder).0, State::Overflowed, "it has the most");
    assert_eq!(poll(&other).0, State::Open);
    let again = all.open(4 * PAGE);
    again.set_held(14 * PAGE);
    again.set_held(0);
    fill(&again, 4);
    assert_eq!(poll(&again).0, State::Open, "what was held is sent");
}

#[test]
fn a_client_has_a_time_to_make_room_for_the_next_slice_however_it_reads() {
    let (room, mut rooms) = mpsc::unbounded_channel();
    let (session, start) = (SessionId(1), Instant::now());
    let sendq = Sendq::new(64 << 10);
    fill(&sendq, 4);
    sendq.await_room(session, &room, start);
    assert_eq!(rooms.try_recv(), Ok(session), "there is room");
    assert_eq!(sendq.read_deadline(), None);
    fill(&sendq, 4);
    sendq.await_room(session, &room, start);
    for _ in 0..4 * PAGE - 1 {
        sendq.sent(1);
        assert_eq!(sendq.read_deadline(), Some(start + READ_TIMEOUT));
    }
    assert!(rooms.try_recv().is_err());
    sendq.sent(1);
    assert_eq!(sendq.read_deadline(), None);
    assert_eq!(rooms.try_recv(), Ok(session));
}

#[test]
fn what_is_sent_and_queues_that_are_dropped_no_longer_count_together() {
    let all = Arc::new(Sendqs::default());
    all.set_limit(2 * PAGE);
    for _ in 0..10 {
        let sendq = all.open(0);
        fill(&sendq, 2);
        sendq.sent(PAGE);
        fill(&sendq, 1);
        assert_eq!(poll(&sendq).0, State::Open);
    }
    assert_eq!(all.bytes.load(Ordering::Relaxed), 0);
    assert!(all.queues.lock().by_number.is_empty());
}

/// A queue is discarded although it is empty if the core holds much for its session.
#[test]
fn what_was_discarded_was_not_sent() {
    let all = Arc::<Sendqs>::default();
    all.set_limit(PAGE);
    let sendq = all.open(0);
    let delivered = Arc::<Delivered>::default();
    sendq.ask_receipts(&delivered);
    sendq.push(Bytes::from_static(b"sent"));
    assert_eq!(sendq.sent_until(), None);
    poll(&sendq);
    sendq.sent(4);
    assert_eq!(sendq.sent_until(), Some(Mark::START));
    sendq.set_held(2 * PAGE);
    sendq.push(Bytes::from_static(b"discarded"));
    assert_eq!(sendq.sent_until(), None);
}

/// The committer delivers while the connection notices that the client has closed it.
#[test]
fn what_is_delivered_while_a_queue_is_closed_is_in_it_or_does_not_count() {
    for _ in 0..200 {
        let sendq = Sendq::new(0);
        let delivered = Arc::<Delivered>::default();
        sendq.ask_receipts(&delivered);
        let is_closed = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                sendq.close();
                is_closed.store(true, Ordering::Relaxed);
            });
            let mut message = 0;
            while !is_closed.load(Ordering::Relaxed) {
                message += 1;
                sendq.push(Bytes::from_static(b"x"));
                delivered.set(Mark {
                    message,
                    ..Mark::START
                });
            }
        });
        let (_, lines) = poll(&sendq);
        sendq.sent(lines.len());
        let until = sendq.sent_until().expect("everything is sent");
        assert!(until.message <= lines.len() as u64, "{until:?} is lost");
    }
}
