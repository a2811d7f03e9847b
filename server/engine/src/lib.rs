//! Drives the core: the ways into it, the task that runs it, the committer that makes its decisions
//! durable before anyone sees them, the reader of history, and the send queue of each session.
//!
//! The path of a message through the modules:
//!
//! ```text
//! handle::CoreHandle -> core_task -> rookery_chat::Chat::handle -> committer -> sendq::Sendq
//! ```
//!
//! It owns every queue between a session and the core. It decides nothing about the chat itself:
//! that is the core's. It knows the core (`rookery-chat`), the store, and what `rookery-base`
//! offers; it must know neither accounts nor connections nor the control plane.

pub mod committer;
mod core_task;
pub mod handle;
mod history_reader;
mod pending;
pub mod probes;
pub mod quota;
pub mod retention;
pub mod sendq;
pub mod settings;

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use committer::{Committer, QueueHandle};
use handle::{CoreHandle, OperatorPort};
use history_reader::HistoryReader;
pub use pending::Awaited;
use rookery_base::events::EventBus;
use rookery_chat::AdmissionPolicy;
use rookery_chat::Chat;
use rookery_store::Database;

/// A core that runs, and the ways to it.
pub struct Engine {
    /// The way into the core for sessions.
    pub core: CoreHandle,
    /// The way into the core for operators. This is the only one there is for this core.
    pub operators: OperatorPort,
    /// What the probes read the committer's state with.
    pub commit_queue: QueueHandle,
    /// The policy by which the chat port refuses connections before they reach the core.
    pub admission_policy: watch::Receiver<Arc<AdmissionPolicy>>,
    /// The core's task and the committer's. Neither ends while a way into the core is open; if one
    /// does anyway, the server cannot go on.
    pub tasks: JoinSet<()>,
}

/// Starts the core and its committer, each on a task of its own.
pub fn start(
    chat: Chat,
    policy: Arc<AdmissionPolicy>,
    database: Database,
    events: EventBus,
) -> Engine {
    let (core, operators, queue) = handle::channel();
    let (batches, commit_queue) = committer::channel();
    let (policy, admission_policy) = watch::channel(policy);
    let reader = HistoryReader::new(database.clone(), queue.history_sender());
    let committer = Committer::new(database, policy, events, reader);
    let commit_queue_handle = QueueHandle::new(&batches);
    let mut tasks = JoinSet::new();
    tasks.spawn(core_task::run(chat, queue, batches));
    tasks.spawn(committer.run(commit_queue));
    Engine {
        core,
        operators,
        commit_queue: commit_queue_handle,
        admission_policy,
        tasks,
    }
}
