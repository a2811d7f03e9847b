//! The control plane's way into the core.

use std::sync::Arc;

use tokio::sync::Semaphore;

use rookery_chat::event::Settings;
use rookery_chat::request::Request;
use rookery_engine::Awaited;
use rookery_engine::handle::{CoreStopped, OperatorPort};

/// Makes requests of operators, and keeps those that follow from commits in the order of the
/// commits.
///
/// What only operators may do goes through this type. The compiler keeps it from the chat port:
/// `rookery-accounts` and `rookery-connection` do not depend on this crate and so cannot name it,
/// and the [`OperatorPort`] that it is made from is in the hands of `rookeryd` alone, which started
/// the core.
#[derive(Clone)]
pub struct ControlHandle {
    port: OperatorPort,
    /// Held while one change is committed and its requests are queued.
    commit_order: Arc<Semaphore>,
}

impl ControlHandle {
    /// Makes the handle of a core. All its users share clones of one: each handle made here has an
    /// order of commits of its own.
    pub fn new(port: OperatorPort) -> Self {
        Self {
            port,
            commit_order: Arc::new(Semaphore::new(1)),
        }
    }

    /// Makes a request. Returns the reply, which comes when all that the request does is done.
    pub async fn ask<R>(&self, request: R) -> Result<R::Reply, CoreStopped>
    where
        R: Request<Reply: Awaited>,
    {
        self.port.request(request).await
    }

    /// Commits a change and makes the request that follows from it. Returns what was committed, and
    /// the reply.
    ///
    /// The request reaches the core before that of any later commit, so that the core learns of
    /// changes in the order in which they are on disk.
    pub async fn commit_and_ask<C, R, E>(
        &self,
        commit: impl Future<Output = Result<C, E>>,
        request: impl FnOnce(&C) -> R,
    ) -> Result<(C, R::Reply), E>
    where
        R: Request<Reply: Awaited>,
        E: From<CoreStopped>,
    {
        let turn = self.commit_order.acquire().await.map_err(|_| CoreStopped)?;
        let committed = commit.await?;
        let reply = self.port.enqueue(request(&committed)).await?;
        drop(turn);
        Ok((committed, reply.await.map_err(|_| CoreStopped)?))
    }

    /// Commits a change and makes the requests that follow from it, in order and together, as
    /// [`Self::commit_and_ask`] does. Returns what was committed, and the replies.
    pub async fn commit_and_ask_all<C, R, E>(
        &self,
        commit: impl Future<Output = Result<C, E>>,
        requests: impl FnOnce(&C) -> Vec<R>,
    ) -> Result<(C, Vec<R::Reply>), E>
    where
        R: Request<Reply: Awaited>,
        E: From<CoreStopped>,
    {
        let turn = self.commit_order.acquire().await.map_err(|_| CoreStopped)?;
        let committed = commit.await?;
        let mut waiting = Vec::new();
        for request in requests(&committed) {
            waiting.push(self.port.enqueue(request).await?);
        }
        drop(turn);
        let mut replies = Vec::with_capacity(waiting.len());
        for reply in waiting {
            replies.push(reply.await.map_err(|_| CoreStopped)?);
        }
        Ok((committed, replies))
    }

    /// Replaces the settings of the core.
    pub async fn reload(&self, settings: Settings) -> Result<(), CoreStopped> {
        self.port.reload(settings).await
    }
}
