//! `GET /v1/events`: a stream of the events of the server.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::response::Response;
use jiff::Timestamp;
use rookery_control_api::{Component, EventKind, ServerEvent, TimedEvent};
use serde::Deserialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::bans::to_entry;
use crate::auth::operator::{SignedIn, role_of};
use crate::auth::permission::Auditor;
use crate::http::extract::QueryParams;
use crate::http::problem::{Kind, Refusal};
use crate::http::stream::{EventStream, StreamEnd, StreamState};
use crate::plane::ControlPlane;
use rookery_chat::AdmissionPolicy;
use rookery_chat::Bans;
use rookery_record::{AuditPage, AuditQuery, Ban, BanId};
use rookery_store::audit_chain::to_record;

/// The maximum number of audit entries that one read returns.
const AUDIT_PAGE: usize = 200;
/// The maximum number of characters of `user`: an email fits.
const MAX_NAME: usize = 254;
/// The maximum number of bytes of `kinds`: all kinds fit.
const MAX_KINDS: usize = 400;

/// Returns the route of the events.
pub fn routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default().routes(routes!(events))
}

/// The query of `GET /v1/events`.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EventOptions {
    /// Only events of these kinds, separated by commas.
    #[param(max_length = 400)]
    kinds: Option<String>,
    /// Only events about the user, account, admin or ban target of this name.
    #[param(max_length = 254)]
    user: Option<String>,
}

/// The events that a client asked for.
#[derive(Debug)]
struct Filter {
    /// None for all.
    kinds: Option<Vec<EventKind>>,
    user: Option<String>,
}

impl EventOptions {
    fn filter(self) -> Result<Filter, Refusal> {
        let bad = |detail: String| Kind::BadRequest.with_detail(detail);
        let Self { kinds, user } = self;
        if kinds.as_ref().is_some_and(|kinds| kinds.len() > MAX_KINDS) {
            return Err(bad("`kinds` may name each kind once.".to_owned()));
        }
        let kinds = kinds
            .map(|kinds| kinds.split(',').map(str::parse).collect())
            .transpose();
        let kinds = kinds.map_err(|error| bad(format!("`kinds`: {error}.")))?;
        let is_long = |user: &String| user.chars().count() > MAX_NAME;
        if user.as_ref().is_some_and(is_long) {
            let detail = format!("`user` may have up to {MAX_NAME} characters.");
            return Err(bad(detail));
        }
        Ok(Filter { kinds, user })
    }
}

impl Filter {
    fn accepts_kind(&self, kind: EventKind) -> bool {
        self.kinds
            .as_ref()
            .is_none_or(|kinds| kinds.contains(&kind))
    }

    fn accepts(&self, event: &ServerEvent) -> bool {
        self.accepts_kind(event.kind())
            && self.user.as_ref().is_none_or(|user| event.is_about(user))
    }

    /// Returns the filter for the trail.
    fn describe(&self) -> String {
        let kinds = self
            .kinds
            .iter()
            .flatten()
            .map(|kind| kind.name())
            .collect::<Vec<_>>()
            .join(",");
        let user = self.user.as_deref().unwrap_or_default();
        match (kinds.as_str(), user) {
            ("", "") => "everything".to_owned(),
            (kinds, "") => kinds.to_owned(),
            ("", user) => format!("about {user}"),
            (kinds, user) => format!("{kinds} about {user}"),
        }
    }
}

/// Streams the events of the server as they happen
///
/// Server-sent events, each named by its kind, with a JSON object as its data. The stream lasts
/// until the client disconnects or its session ends, and counts as a use of the session. Comments
/// are sent while there are no events. A client that reads too slowly is sent an event
/// `events-dropped` with the number of events that it missed. Each admin has eight streams; a
/// further one ends the admin's oldest.
#[utoipa::path(
    get, path = "/v1/events", tag = "events", params(EventOptions),
    security(("token" = [role_of(events)])),
    responses(
        (status = 200, description = "The stream of events", body = TimedEvent,
            content_type = "text/event-stream"),
    )
)]
async fn events(
    operator: SignedIn<Auditor>,
    query: Result<QueryParams<EventOptions>, Refusal>,
    state: Option<Extension<StreamState>>,
) -> Result<Response, Refusal> {
    let mut act = operator.act("watch", "");
    let filter = operator
        .audited(&mut act, async |_| query?.0.filter())
        .await?;
    let control = &operator.plane.control;
    let events = control.events.subscribe();
    let mut policy = control.admission_policy.clone();
    let known_bans = in_force(&policy.borrow_and_update().bans, operator.now());
    let newest = AuditQuery {
        limit: 1,
        ..AuditQuery::default()
    };
    let newest = operator
        .read(move |store| store.find_audit(&newest))
        .await?;
    operator.allow_read(&act, filter.describe()).await?;
    let place = operator.plane.streams.acquire(operator.name());
    let audit_failures = operator.plane.trail.failures();
    let (stream, response) = EventStream::open(operator, state, place);
    let watcher = Watcher {
        stream,
        filter,
        events,
        policy,
        known_bans,
        last_entry: newest.first().map_or(0, |entry| entry.id),
        audit_failures,
    };
    tokio::spawn(watcher.run());
    Ok(response)
}

/// Sends the events to one client.
struct Watcher {
    stream: EventStream,
    filter: Filter,
    events: Receiver<Arc<TimedEvent>>,
    policy: watch::Receiver<Arc<AdmissionPolicy>>,
    /// The bans that were in force when they were last compared.
    known_bans: BTreeMap<BanId, Arc<Ban>>,
    /// The newest audit entry that was sent.
    last_entry: i64,
    /// The number of acts that were refused without a trail, when it was last compared.
    audit_failures: u64,
}

impl Watcher {
    async fn run(mut self) {
        if let Err(StreamEnd::Ended(reason)) = self.send_all().await {
            let last = TimedEvent {
                at: self.stream.now(),
                event: ServerEvent::Ended {
                    reason: reason.to_owned(),
                },
            };
            self.stream.send_last(last.event.kind().name(), &last);
        }
    }

    async fn send_all(&mut self) -> Result<(), StreamEnd> {
        loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Ok(event) => self.send(&event).await?,
                    Err(RecvError::Lagged(events)) => {
                        self.send_now(ServerEvent::EventsDropped { events }).await?;
                    }
                    Err(RecvError::Closed) => return Err(StreamEnd::Disconnected),
                },
                () = self.stream.wait() => {
                    self.stream.check().await?;
                    self.send_bans().await?;
                    self.send_audit().await?;
                }
            }
        }
    }

    /// Sends an event if the client asked for it.
    async fn send(&mut self, timed: &TimedEvent) -> Result<(), StreamEnd> {
        let kind = timed.event.kind();
        if kind == EventKind::EventsDropped || self.filter.accepts(&timed.event) {
            self.stream.send(kind.name(), timed).await?;
        }
        Ok(())
    }

    /// Sends an event with the current time.
    async fn send_now(&mut self, event: ServerEvent) -> Result<(), StreamEnd> {
        self.send(&TimedEvent {
            at: self.stream.now(),
            event,
        })
        .await
    }

    /// Sends the differences between the bans in force and those known before. Bans change in many
    /// ways, even by the passage of time, so they are compared here instead of being reported by
    /// each change.
    async fn send_bans(&mut self) -> Result<(), StreamEnd> {
        let now = self.stream.now();
        let has_changed = self.policy.has_changed().unwrap_or(false);
        if !has_changed && self.known_bans.values().all(|ban| ban.is_active(now)) {
            return Ok(());
        }
        let after = in_force(&self.policy.borrow_and_update().bans, now);
        let before = std::mem::replace(&mut self.known_bans, after.clone());
        for (id, ban) in &before {
            let entry = to_entry(Ban::clone(ban));
            if !ban.is_active(now) {
                self.send_now(ServerEvent::BanExpired { ban: entry })
                    .await?;
            } else if !after.contains_key(id) {
                self.send_now(ServerEvent::BanRemoved { ban: entry })
                    .await?;
            }
        }
        for (_, ban) in after.into_iter().filter(|(id, _)| !before.contains_key(id)) {
            self.send_now(ServerEvent::BanAdded {
                ban: to_entry(Ban::clone(&ban)),
            })
            .await?;
        }
        Ok(())
    }

    /// Sends the new entries of the trail, and the failures to write it. The entries are read from
    /// the database, because `rookeryd admin` writes entries from another process.
    async fn send_audit(&mut self) -> Result<(), StreamEnd> {
        let failures = self.stream.operator().plane.trail.failures();
        if failures > self.audit_failures {
            let detail = format!(
                "{} acts were refused because the audit trail cannot be written",
                failures - self.audit_failures
            );
            self.audit_failures = failures;
            self.send_now(ServerEvent::ComponentFailed {
                component: Component::Store,
                detail,
            })
            .await?;
        }
        if !self.filter.accepts_kind(EventKind::Audit) {
            return Ok(());
        }
        let query = AuditQuery {
            page: AuditPage::After(self.last_entry),
            limit: AUDIT_PAGE,
            ..AuditQuery::default()
        };
        // If they cannot be read, this is logged, and they are sent after the next check.
        let entries = self
            .stream
            .operator()
            .read(move |store| store.find_audit(&query))
            .await;
        for entry in entries.unwrap_or_default() {
            self.last_entry = entry.id;
            let event = TimedEvent {
                at: entry.entry.at,
                event: ServerEvent::Audit {
                    entry: Box::new(to_record(entry)),
                },
            };
            self.send(&event).await?;
        }
        Ok(())
    }
}

fn in_force(bans: &Bans, now: Timestamp) -> BTreeMap<BanId, Arc<Ban>> {
    bans.iter()
        .filter(|ban| ban.is_active(now))
        .map(|ban| (ban.id, Arc::clone(ban)))
        .collect()
}
