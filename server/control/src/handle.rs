//! The control plane's handle to the core.

use std::sync::Arc;

use tokio::sync::Semaphore;

use rookery_chat::event::Settings;
use rookery_chat::request::Request;
use rookery_engine::Awaited;
use rookery_engine::handle::{CoreStopped, OperatorPort};

/// Sends the requests of operators to the core. Requests that follow from commits reach it in the
/// order of the commits.
///
/// Everything that only operators may do goes through this type. The chat port cannot use it:
/// `rookery-accounts` and `rookery-connection` do not depend on this crate, so they cannot name it,
/// and only `rookeryd`, which starts the core, has the [`OperatorPort`] that it is made from.
#[derive(Clone)]
pub struct ControlHandle {
    port: OperatorPort,
    /// One permit, held while one change is committed and its requests are queued.
    commit_order: Arc<Semaphore>,
}

impl ControlHandle {
    /// Returns the handle to a core. All users have to share clones of one handle, because each
    /// handle returned here orders only its own commits.
    pub fn new(port: OperatorPort) -> Self {
        Self {
            port,
            commit_order: Arc::new(Semaphore::new(1)),
        }
    }

    /// Sends a request. Returns the reply, once everything that the request does is done.
    pub async fn request<R>(&self, request: R) -> Result<R::Reply, CoreStopped>
    where
        R: Request<Reply: Awaited>,
    {
        self.port.request(request).await
    }

    /// Commits a change and sends the request that follows from it. Returns the result of the
    /// commit and the reply.
    ///
    /// The request reaches the core before that of any later commit, so that the core applies
    /// changes in the order in which they are on disk.
    pub async fn commit_then_request<C, R, E>(
        &self,
        commit: impl Future<Output = Result<C, E>>,
        request: impl FnOnce(&C) -> R,
    ) -> Result<(C, R::Reply), E>
    where
        R: Request<Reply: Awaited>,
        E: From<CoreStopped>,
    {
        let permit = self.commit_order.acquire().await.map_err(|_| CoreStopped)?;
        let committed = commit.await?;
        let reply = self.port.enqueue(request(&committed)).await?;
        drop(permit);
        Ok((committed, reply.await.map_err(|_| CoreStopped)?))
    }

    /// Replaces the settings of the core.
    pub async fn reload(&self, settings: Settings) -> Result<(), CoreStopped> {
        self.port.reload(settings).await
    }
}
