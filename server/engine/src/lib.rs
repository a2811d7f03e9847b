//! Runs the core: the handles to it, its task, the committer that makes its decisions durable
//! before they take effect, the history reader, and the send queue of each session.
//!
//! The path of a message through the modules:
//!
//! ```text
//! handle::CoreHandle -> core_task -> rookery_chat::Chat::handle -> committer -> sendq::Sendq
//! ```
//!
//! This crate owns every queue between a session and the core. It must not decide anything about
//! the chat itself, which is the core's task. It depends on the core (`rookery-chat`), the store
//! and `rookery-base`, and must not know accounts, connections or the control plane.

pub mod clock_watch;
pub mod committer;
mod core_task;
pub mod disk_watch;
pub mod handle;
mod history_reader;
mod pending;
pub mod probes;
pub mod quota;
pub mod receipts;
pub mod retention;
pub mod sendq;
pub mod settings;
pub mod shrinking;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod simulation;

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use committer::{Committer, QueueHandle};
use handle::{CoreHandle, OperatorPort};
use history_reader::HistoryReader;
pub use pending::Awaited;
use rookery_base::events::EventBus;
use rookery_chat::AdmissionPolicy;
use rookery_chat::Chat;
use rookery_store::Database;

/// A running core and the handles to it.
pub struct Engine {
    /// The core's handle for sessions.
    pub core: CoreHandle,
    /// The core's handle for operators. No other one for this core can be created.
    pub operators: OperatorPort,
    /// The handle with which the probes read the state of the committer's queue.
    pub commit_queue: QueueHandle,
    /// The policy by which the chat port refuses connections before they reach the core.
    pub admission_policy: watch::Receiver<Arc<AdmissionPolicy>>,
    /// The tasks of the core and the committer. Neither ends while there is a handle to the core,
    /// except by a panic, after which the server cannot continue.
    pub tasks: JoinSet<()>,
}

/// Starts the core and the committer, each in its own task on the runtime.
pub fn start(
    runtime: &Handle,
    chat: Chat,
    policy: Arc<AdmissionPolicy>,
    database: Database,
    events: EventBus,
) -> Engine {
    let (core, operators, queue) = handle::channel();
    let (batches, commit_queue) = committer::channel();
    let (policy, admission_policy) = watch::channel(policy);
    let reader = HistoryReader::new(database.clone(), queue.history_sender());
    let (room, rooms) = mpsc::unbounded_channel();
    let committer = Committer::new(database, policy, events, reader, room);
    let commit_queue_handle = QueueHandle::new(&batches);
    let mut tasks = JoinSet::new();
    tasks.spawn_on(core_task::run(chat, queue, rooms, batches), runtime);
    tasks.spawn_on(committer.run(commit_queue), runtime);
    Engine {
        core,
        operators,
        commit_queue: commit_queue_handle,
        admission_policy,
        tasks,
    }
}
