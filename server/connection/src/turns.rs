//! Turns: work that needs much CPU takes turns with other work of its kind, so that all of it
//! together occupies only some of the threads.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use tokio::sync::Semaphore;

/// The turns of one kind of work.
pub struct Turns(Semaphore);

impl Turns {
    /// Lets `count` pieces of work have their turn at the same time.
    pub fn new(count: usize) -> Self {
        Self(Semaphore::new(count))
    }

    /// Creates turns that occupy at most half of the machine's cores, and at least one.
    pub fn on_half_of_the_cores() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new((cores / 2).max(1))
    }

    /// Performs the work. It has a turn whenever it can proceed, and the turn ends when it waits.
    /// Turns are taken in the order in which they are requested.
    pub async fn take<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        loop {
            let turn = self.0.acquire().await;
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

    use tokio::sync::oneshot;
    use tokio::task::{JoinSet, yield_now};
    use tokio::time::timeout;

    use super::*;

    const DEADLINE: Duration = Duration::from_mins(1);

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
                turns.take(work).await;
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
        let waits = turns.take(async { answer.await.expect("it is sent") });
        let sends = turns.take(async { sender.send(7).expect("it is awaited") });
        let (received, ()) = timeout(DEADLINE, async { tokio::join!(waits, sends) })
            .await
            .expect("neither keeps the turn while it waits");
        assert_eq!(received, 7);
    }
}
