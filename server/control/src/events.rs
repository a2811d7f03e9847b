//! `GET /v1/events`: what happens, as it happens.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::response::Response;
use jiff::Timestamp;
use rookery_control_api::{Component, EventKind, Problem, ServerEvent, TimedEvent};
use serde::Deserialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::audit_reading::to_record;
use super::bans::to_entry;
use super::extract::Options;
use super::permission::{Auditor, Signed};
use super::problem::{Kind, Refusal};
use super::stream::{self, Lease, Over, Stream};
use rookery_base::metrics::METRICS;
use rookery_chat::AdmissionPolicy;
use rookery_chat::Bans;
use rookery_record::{AuditPage, AuditQuery, Ban, BanId};

/// Entries of the audit trail that are read at once.
const AUDIT_PAGE: usize = 200;
/// The most characters of a name to filter by: an email fits.
const LONGEST_NAME: usize = 254;

/// The most bytes of a list of kinds: all of them fit.
const LONGEST_KINDS: usize = 400;

/// What `GET /v1/events` may be told.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventOptions {
    /// Only events of these kinds, with commas between them.
    #[param(max_length = 400)]
    kinds: Option<String>,
    /// Only events about the user, account, admin or ban target of that name.
    #[param(max_length = 254)]
    user: Option<String>,
}

/// Which events are wanted.
#[derive(Debug)]
struct Filter {
    /// None for all.
    kinds: Option<Vec<EventKind>>,
    user: Option<String>,
}

impl EventOptions {
    fn filter(self) -> Result<Filter, Refusal> {
        if self
            .kinds
            .as_ref()
            .is_some_and(|kinds| kinds.len() > LONGEST_KINDS)
        {
            return Err(Kind::BadRequest.because("`kinds` names each kind once."));
        }
        let kinds = self
            .kinds
            .map(|kinds| kinds.split(',').map(str::parse).collect())
            .transpose();
        let kinds =
            kinds.map_err(|error| Kind::BadRequest.because(format!("`kinds`: {error}.")))?;
        if self
            .user
            .as_ref()
            .is_some_and(|user| user.chars().count() > LONGEST_NAME)
        {
            return Err(
                Kind::BadRequest.because(format!("`user` has up to {LONGEST_NAME} characters."))
            );
        }
        Ok(Filter {
            kinds,
            user: self.user,
        })
    }
}

impl Filter {
    fn wants(&self, kind: EventKind) -> bool {
        self.kinds
            .as_ref()
            .is_none_or(|kinds| kinds.contains(&kind))
    }

    fn passes(&self, what: &ServerEvent) -> bool {
        self.wants(what.kind()) && self.user.as_ref().is_none_or(|user| what.is_about(user))
    }

    /// For the trail.
    fn words(&self) -> String {
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

/// What happens, as it happens
///
/// Server-sent events, each named by its kind, its data a JSON object. The answer goes on until the
/// client hangs up or the sign-in ends, and counts as a use of it all the while; a comment is sent
/// when there is nothing to tell. Whoever reads too slowly is told by an event `events-dropped` how many
/// it missed.
#[utoipa::path(
    get, path = "/v1/events", tag = "events", params(EventOptions), security(("token" = ["auditor"])),
    responses(
        (status = 200, description = "Events without end", body = TimedEvent, content_type = "text/event-stream"),
        (status = 429, description = "As many streams as there may be are under way", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn events(
    operator: Signed<Auditor>,
    options: Result<Options<EventOptions>, Refusal>,
    lease: Option<Extension<Lease>>,
) -> Result<Response, Refusal> {
    let step = operator.step("watch", "");
    let begun =
        options.and_then(|Options(options)| Ok((options.filter()?, stream::place(&operator)?)));
    let (filter, place) = match begun {
        Ok(begun) => begun,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    let control = &operator.plane.control;
    let (news, mut gate) = (control.news.watch(), control.gate.clone());
    let known_bans = in_force(&gate.borrow_and_update().bans, operator.now());
    let newest = AuditQuery {
        limit: 1,
        ..AuditQuery::default()
    };
    let newest = operator
        .read(move |store| store.find_audit(&newest))
        .await?;
    operator.allow(&step, filter.words()).await?;
    let (stream, answer) = Stream::begin(operator, lease, place);
    let watcher = Watcher {
        stream,
        filter,
        news,
        known_bans,
        gate,
        last_entry: newest.first().map_or(0, |entry| entry.id),
        audit_failures: METRICS.audit_failures.get(),
    };
    tokio::spawn(watcher.run());
    Ok(answer)
}

/// One client that watches.
struct Watcher {
    stream: Stream,
    filter: Filter,
    news: Receiver<Arc<TimedEvent>>,
    gate: watch::Receiver<Arc<AdmissionPolicy>>,
    /// Those in force, as they were told.
    known_bans: BTreeMap<BanId, Ban>,
    /// The newest entry of the trail that was told.
    last_entry: i64,
    audit_failures: u64,
}

impl Watcher {
    async fn run(mut self) {
        if let Err(Over::SignedOut(reason)) = self.tell_all().await {
            let last = TimedEvent {
                at: self.stream.now(),
                what: ServerEvent::Ended {
                    reason: reason.to_owned(),
                },
            };
            self.stream.send_last(last.what.kind().name(), &last);
        }
    }

    async fn tell_all(&mut self) -> Result<(), Over> {
        loop {
            tokio::select! {
                event = self.news.recv() => match event {
                    Ok(event) => self.tell(&event).await?,
                    Err(RecvError::Lagged(events)) => self.tell_now(ServerEvent::EventsDropped { events }).await?,
                    Err(RecvError::Closed) => return Err(Over::Gone),
                },
                () = self.stream.pause() => {
                    self.stream.check().await?;
                    self.look_at_bans().await?;
                    self.look_at_trail().await?;
                }
            }
        }
    }

    async fn tell(&mut self, event: &TimedEvent) -> Result<(), Over> {
        let kind = event.what.kind();
        if kind == EventKind::EventsDropped || self.filter.passes(&event.what) {
            self.stream.send(kind.name(), event).await?;
        }
        Ok(())
    }

    async fn tell_now(&mut self, what: ServerEvent) -> Result<(), Over> {
        self.tell(&TimedEvent {
            at: self.stream.now(),
            what,
        })
        .await
    }

    /// Bans come and go by many ways, and by time alone: what is told is how those in force differ
    /// from those before.
    async fn look_at_bans(&mut self) -> Result<(), Over> {
        let now = self.stream.now();
        let changed = self.gate.has_changed().unwrap_or(false);
        if !changed && self.known_bans.values().all(|ban| ban.holds(now)) {
            return Ok(());
        }
        let after = in_force(&self.gate.borrow_and_update().bans, now);
        let before = std::mem::replace(&mut self.known_bans, after.clone());
        for (id, ban) in &before {
            let entry = to_entry(ban.clone());
            if !ban.holds(now) {
                self.tell_now(ServerEvent::BanExpired { ban: entry })
                    .await?;
            } else if !after.contains_key(id) {
                self.tell_now(ServerEvent::BanRemoved { ban: entry })
                    .await?;
            }
        }
        for (_, ban) in after.into_iter().filter(|(id, _)| !before.contains_key(id)) {
            self.tell_now(ServerEvent::BanAdded { ban: to_entry(ban) })
                .await?;
        }
        Ok(())
    }

    /// Entries are made by `rookeryd admin` too, beside this process: the record alone has them
    /// all, in order.
    async fn look_at_trail(&mut self) -> Result<(), Over> {
        let failures = METRICS.audit_failures.get();
        if failures > self.audit_failures {
            let detail = format!(
                "{} acts were refused, because they could not be entered in the audit trail",
                failures - self.audit_failures
            );
            self.audit_failures = failures;
            self.tell_now(ServerEvent::ComponentFailed {
                component: Component::Store,
                detail,
            })
            .await?;
        }
        if !self.filter.wants(EventKind::Audit) {
            return Ok(());
        }
        let query = AuditQuery {
            page: AuditPage::After(self.last_entry),
            limit: AUDIT_PAGE,
            ..AuditQuery::default()
        };
        // A record that cannot be read is in the log, and may be read at the next look.
        let entries = self
            .stream
            .operator()
            .read(move |store| store.find_audit(&query))
            .await;
        for entry in entries.unwrap_or_default() {
            self.last_entry = entry.id;
            let event = TimedEvent {
                at: entry.entry.at,
                what: ServerEvent::Audit {
                    entry: Box::new(to_record(entry)),
                },
            };
            self.tell(&event).await?;
        }
        Ok(())
    }
}

fn in_force(bans: &Bans, now: Timestamp) -> BTreeMap<BanId, Ban> {
    bans.iter()
        .filter(|ban| ban.holds(now))
        .map(|ban| (ban.id, ban.clone()))
        .collect()
}
