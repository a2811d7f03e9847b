//! The slots in which passwords are hashed: how many hashes run at once, and the memory of each.
//!
//! argon2id needs 19 MiB for every hash. Memory of that size, allocated on whichever thread runs
//! the hash, is not given back to the system by the allocator, so the process would grow with the
//! number of threads. A slot therefore keeps its memory from one hash to the next.
//!
//! The chat and the control plane have slots of their own: no number of registrations delays the
//! sign-in of an operator by more than the processor time that they use. There are several queues
//! for the slot of the control plane ([`HashQueue`]), so that a long one delays no other.

use std::collections::TryReserveError;

use argon2::{Argon2, Block};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// A fixed number of slots.
pub struct HashSlots {
    count: usize,
    /// One permit for each slot that is free.
    permits: Semaphore,
    /// The memory of the free slots that were reserved or used before.
    memory: Mutex<Vec<HashMemory>>,
}

/// The memory of one slot, in which argon2 computes a hash. It grows to what the hash needs.
#[derive(Default)]
pub(super) struct HashMemory(Vec<Block>);

impl HashMemory {
    /// Hashes a password, and overwrites what the hash leaves in memory, from which the password
    /// could be guessed quickly.
    pub fn hash(
        &mut self,
        argon2: &Argon2<'_>,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
    ) -> argon2::Result<()> {
        let count = argon2.params().block_count();
        if self.0.len() < count {
            self.0.resize(count, Block::new());
        }
        let blocks = &mut self.0[..count];
        let result = argon2.hash_password_into_with_memory(password, salt, output, &mut *blocks);
        blocks.fill(Block::new());
        result
    }
}

/// One of the queues for the same slots. Only its first waits for a slot, behind the first of each
/// other queue, so that all queues have the same share of the slots, whatever their lengths.
pub struct HashQueue {
    slots: &'static HashSlots,
    /// Held by the first of the queue until it has a slot.
    front: Semaphore,
}

impl HashSlots {
    pub(super) const fn new(count: usize) -> Self {
        Self {
            count,
            permits: Semaphore::const_new(count),
            memory: Mutex::new(Vec::new()),
        }
    }

    /// Allocates so many blocks for each slot. All slots are free.
    ///
    /// # Errors
    /// If there is too little memory.
    pub(super) fn reserve(&self, blocks: usize) -> Result<(), TryReserveError> {
        let mut memory = self.memory.lock();
        memory.resize_with(self.count, HashMemory::default);
        let mut slots = memory.iter_mut();
        slots.try_for_each(|HashMemory(slot)| slot.try_reserve_exact(blocks))
    }

    /// Returns how many hashes may run at once.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Waits until all slots are free, and occupies them until the permit is dropped. A test delays
    /// every hash in this way.
    pub async fn occupy_all(&self) -> tokio::sync::SemaphorePermit<'_> {
        let all = u32::try_from(self.count).expect("the number of slots is small");
        self.permits
            .acquire_many(all)
            .await
            .expect("the semaphore is never closed")
    }
}

impl HashQueue {
    pub(super) const fn of(slots: &'static HashSlots) -> Self {
        Self {
            slots,
            front: Semaphore::const_new(1),
        }
    }

    /// Waits for a slot, and runs `job` with its memory on a thread for blocking work.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut HashMemory) -> T + Send + 'static,
    ) -> T {
        const NEVER_CLOSED: &str = "the semaphore is never closed";
        let slots = self.slots;
        let front = self.front.acquire().await.expect(NEVER_CLOSED);
        let permit = slots.permits.acquire().await.expect(NEVER_CLOSED);
        drop(front);
        tokio::task::spawn_blocking(move || {
            // Held by the hash and not by the caller: a client that disconnects frees no slot
            // early.
            let _permit = permit;
            let mut memory = slots.memory.lock().pop().unwrap_or_default();
            let result = job(&mut memory);
            slots.memory.lock().push(memory);
            result
        })
        .await
        .expect("hashing does not panic")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn slots_keep_their_memory_and_nothing_of_the_passwords_in_it() {
        static SLOTS: HashSlots = HashSlots::new(2);
        static QUEUE: HashQueue = HashQueue::of(&SLOTS);
        let hash = |memory: &mut HashMemory| {
            let mut output = [0; 32];
            let argon2 = Argon2::default();
            let hashed = memory.hash(&argon2, b"password", b"of eight", &mut output);
            hashed.expect("the parameters are valid");
            let is_clear = memory.0.iter().all(|block| block.as_ref() == [0; 128]);
            (memory.0.as_ptr() as usize, is_clear)
        };
        let many: Vec<_> = (0..20).map(|_| tokio::spawn(QUEUE.run(hash))).collect();
        let mut used = std::collections::HashSet::new();
        for hash in many {
            let (memory, is_clear) = hash.await.expect("the job does not panic");
            assert!(is_clear);
            used.insert(memory);
        }
        assert!(used.len() <= SLOTS.count(), "{used:?}");
        assert_eq!(used.len(), SLOTS.memory.lock().len());
    }

    #[tokio::test]
    async fn a_hash_uses_the_memory_that_was_reserved_or_fails_to_be() {
        static SLOTS: HashSlots = HashSlots::new(1);
        static QUEUE: HashQueue = HashQueue::of(&SLOTS);
        assert!(SLOTS.reserve(usize::MAX / 2048).is_err());
        let argon2 = Argon2::default();
        let blocks = argon2.params().block_count();
        SLOTS.reserve(blocks).expect("there is enough memory");
        let place = |memory: &HashMemory| (memory.0.as_ptr() as usize, memory.0.capacity());
        let reserved = place(&SLOTS.memory.lock()[0]);
        assert!(reserved.1 >= blocks);
        let job = move |memory: &mut HashMemory| {
            let hashed = memory.hash(&argon2, b"password", b"of eight", &mut [0; 32]);
            hashed.expect("the parameters are valid");
            place(memory)
        };
        assert_eq!(QUEUE.run(job).await, reserved);
    }

    #[tokio::test]
    async fn occupied_slots_do_not_delay_those_of_others() {
        static CHAT: HashSlots = HashSlots::new(1);
        static CONTROL: HashSlots = HashSlots::new(1);
        static QUEUE: HashQueue = HashQueue::of(&CONTROL);
        let _occupied = CHAT.occupy_all().await;
        assert_eq!(QUEUE.run(|_| "done").await, "done");
    }

    #[tokio::test]
    async fn a_long_queue_delays_the_first_of_another_by_one_hash() {
        static SLOTS: HashSlots = HashSlots::new(1);
        static LONG: HashQueue = HashQueue::of(&SLOTS);
        static SHORT: HashQueue = HashQueue::of(&SLOTS);
        let done = std::sync::Arc::new(Mutex::new(Vec::new()));
        let hash = |queue: &'static HashQueue, name| {
            let done = std::sync::Arc::clone(&done);
            tokio::spawn(queue.run(move |_| done.lock().push(name)))
        };
        let occupied = SLOTS.occupy_all().await;
        let mut hashes: Vec<_> = (0..20).map(|_| hash(&LONG, "long")).collect();
        tokio::task::yield_now().await;
        hashes.push(hash(&SHORT, "short"));
        tokio::task::yield_now().await;
        drop(occupied);
        for hash in hashes {
            hash.await.expect("the job does not panic");
        }
        assert_eq!(done.lock()[..2], ["long", "short"]);
    }
}
