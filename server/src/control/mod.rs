//! The control plane: its listener, its sign-in, its handlers, its audit. It is reached through its own port only.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::net::TcpListener;

use crate::certificates::Certificates;
use crate::config::LiveConfig;
use crate::connection::Connections;
use crate::inlet::Inlet;
use crate::mail::Mailer;
use crate::store::Database;
use crate::windows::Windows;

/// What the control plane works with.
pub struct Control {
    pub config: LiveConfig,
    pub database: Database,
    pub windows: Windows,
    pub inlet: Inlet,
    pub mailer: Mailer,
    pub certificates: Arc<Certificates>,
    /// Who is connected to the chat port, for the status.
    pub connections: Arc<Connections>,
    pub started_at: Timestamp,
}

/// Serves until the task is dropped.
pub async fn serve(_control: Control, _listener: TcpListener) {
    unimplemented!()
}
