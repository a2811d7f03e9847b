//! Turns: work that needs much CPU takes turns with other work of its kind, so that all of it
//! together occupies only some of the threads, and the networks and sites of clients take turns.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use rookery_record::Network;

use crate::fair_queue::{FairQueue, Group};

/// The turns of one kind of work.
pub struct Turns(FairQueue<Group>);

impl Turns {
    /// Lets `count` pieces of work have their turn at the same time.
    pub fn new(count: usize) -> Self {
        Self(FairQueue::new(count, count))
    }

    /// Creates turns that occupy at most half of the machine's cores, and at least one.
    pub fn on_half_of_the_cores() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new((cores / 2).max(1))
    }

    /// Performs the work for a client from that network. It has a turn whenever it can proceed, and
    /// the turn ends when it waits. Those of one network are taken in the order in which they are
    /// requested.
    pub async fn take<F: Future>(&self, network: Network, work: F) -> F::Output {
        let mut work = pin!(work);
        loop {
            let turn = self.0.acquire(Group::of(network)).await;
            let polled = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
            drop(turn);
            if let Poll::Ready(output) = polled {
                return output;
            }
            woken().await;
        }
    }
}

/// Waits until the task is woken. What it was polled with before has its waker.
async fn woken() {
    let mut is_woken = false;
    poll_fn(|_| {
        if std::mem::replace(&mut is_woken, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use futures_util::future::join_all;
    use tokio::sync::oneshot;
    use tokio::task::{JoinSet, yield_now};
    use tokio::time::timeout;

    use super::*;

    const DEADLINE: Duration = Duration::from_mins(1);

    fn network(host: u8) -> Network {
        Network::of([192, 0, 2, host].into())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_more_work_than_that_is_done_at_the_same_time_and_all_of_it_is() {
        let turns = Arc::new(Turns::new(2));
        let [busy, most, steps] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        for _ in 0..100 {
            let turns = Arc::clone(&turns);
            let (busy, most, steps) = (Arc::clone(&busy), Arc::clone(&most), Arc::clone(&steps));
            tasks.spawn(async move {
                let work = async {
                    for _ in 0..10 {
                        let now = busy.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        thread::yield_now();
                        busy.fetch_sub(1, Ordering::SeqCst);
                        steps.fetch_add(1, Ordering::SeqCst);
                        yield_now().await;
                    }
                };
                turns.take(network(1), work).await;
            });
        }
        timeout(DEADLINE, tasks.join_all()).await.expect("all end");
        assert_eq!(steps.load(Ordering::SeqCst), 1000);
        let most = most.load(Ordering::SeqCst);
        assert!(most <= 2, "{most} at the same time");
    }

    #[tokio::test]
    async fn work_that_waits_lets_others_have_their_turn() {
        let turns = Turns::new(1);
        let (sender, answer) = oneshot::channel();
        let waits = turns.take(network(1), async { answer.await.expect("it is sent") });
        let sends = turns.take(network(1), async { sender.send(7).expect("it is awaited") });
        let (received, ()) = timeout(DEADLINE, async { tokio::join!(waits, sends) })
            .await
            .expect("neither keeps the turn while it waits");
        assert_eq!(received, 7);
    }

    #[tokio::test]
    async fn a_network_waits_for_a_few_of_the_crowd_of_another_only() {
        let turns = Turns::new(1);
        let turn = turns.0.acquire(Group::of(network(3))).await;
        let done = AtomicUsize::new(0);
        let crowd =
            (0..100).map(|_| turns.take(network(1), async { done.fetch_add(1, Ordering::SeqCst) }));
        let other = turns.take(network(2), async { done.load(Ordering::SeqCst) });
        let (_, done_before, ()) = timeout(DEADLINE, async {
            tokio::join!(join_all(crowd), other, async { drop(turn) })
        })
        .await
        .expect("all end");
        assert_eq!(done_before, 1);
    }
}
