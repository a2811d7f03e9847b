//! What happened since the start, counted where it happens, and how Prometheus reads it.

use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use jiff::Timestamp;
use rookery_control_api::Counters;

/// What was seen.
#[derive(Debug)]
pub struct ServerSnapshot {
    pub started_at: Timestamp,
    pub users: usize,
    pub sessions: usize,
    pub channels: usize,
    pub bans: usize,
    /// Whether nobody new is let in.
    pub maintenance: bool,
    pub connections: usize,
    /// Events that wait for the core.
    pub core_queue_events: usize,
    /// Batches that wait for the journal.
    pub commit_queue_batches: usize,
    /// In bytes.
    pub largest_sendq: usize,
    pub store_bytes: u64,
    pub certificate_expires_at: Option<Timestamp>,
    pub mail: Result<(), String>,
}

/// The counters of this process.
pub static METRICS: Metrics = Metrics::new();

/// Everything that is counted.
pub struct Metrics {
    pub connections_accepted: Counter,
    /// Beyond a limit on connections.
    pub connections_refused: Counter,
    pub tls_handshakes_failed: Counter,
    /// Messages that admitted sessions sent, of whatever kind.
    pub messages_received: Counter,
    pub messages_stored: Counter,
    /// Messages that could not be stored, and so were not sent.
    pub messages_not_stored: Counter,
    /// Changes of channels and the like that hold only until the server stops, since they could not
    /// be stored.
    pub changes_not_kept: Counter,
    /// Lines put into sendqs.
    pub deliveries: Counter,
    /// What those lines take.
    pub delivered_bytes: Counter,
    /// Sessions closed because they read too slowly.
    pub sendqs_exceeded: Counter,
    pub chat_sign_ins: Counter,
    pub control_sign_ins: Counter,
    pub chat_sign_ins_refused: Counter,
    pub control_sign_ins_refused: Counter,
    /// Acts refused because they could not be entered in the audit trail.
    pub audit_failures: Counter,
    pub mails_sent: Counter,
    /// Mails given up.
    pub mails_failed: Counter,
    /// Commits of the journal, messages of one or of many in each.
    pub commits: Histogram,
}

impl Metrics {
    const fn new() -> Self {
        Self {
            connections_accepted: Counter::new(),
            connections_refused: Counter::new(),
            tls_handshakes_failed: Counter::new(),
            messages_received: Counter::new(),
            messages_stored: Counter::new(),
            messages_not_stored: Counter::new(),
            changes_not_kept: Counter::new(),
            deliveries: Counter::new(),
            delivered_bytes: Counter::new(),
            sendqs_exceeded: Counter::new(),
            chat_sign_ins: Counter::new(),
            control_sign_ins: Counter::new(),
            chat_sign_ins_refused: Counter::new(),
            control_sign_ins_refused: Counter::new(),
            audit_failures: Counter::new(),
            mails_sent: Counter::new(),
            mails_failed: Counter::new(),
            commits: Histogram::new(),
        }
    }

    /// What operators see change from moment to moment.
    pub fn counters(&self) -> Counters {
        Counters {
            messages_received: self.messages_received.get(),
            messages_stored: self.messages_stored.get(),
            deliveries: self.deliveries.get(),
            delivered_bytes: self.delivered_bytes.get(),
            connections_accepted: self.connections_accepted.get(),
            sign_ins: self.chat_sign_ins.get() + self.control_sign_ins.get(),
            sign_ins_refused: self.chat_sign_ins_refused.get()
                + self.control_sign_ins_refused.get(),
        }
    }

    /// All of it, and how the server stands, in Prometheus' text format.
    pub fn text(&self, now: &ServerSnapshot) -> String {
        let mut page = Page::default();
        page.gauge(
            "rookery_build_info",
            "The version that runs.",
            concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"}"),
            1,
        );
        page.gauge(
            "process_start_time_seconds",
            "When the server started, in seconds since 1970.",
            "",
            seconds(now.started_at),
        );
        page.counter(
            "rookery_connections_accepted_total",
            "Connections to the chat port.",
            &[("", &self.connections_accepted)],
        );
        page.counter(
            "rookery_connections_refused_total",
            "Connections to the chat port beyond a limit.",
            &[("", &self.connections_refused)],
        );
        page.counter(
            "rookery_tls_handshakes_failed_total",
            "TLS handshakes on the chat port that failed.",
            &[("", &self.tls_handshakes_failed)],
        );
        page.gauge(
            "rookery_connections",
            "Connections to the chat port, in whatever state.",
            "",
            now.connections,
        );
        page.gauge("rookery_sessions", "Admitted sessions.", "", now.sessions);
        page.gauge("rookery_users", "Users online.", "", now.users);
        page.gauge(
            "rookery_channels",
            "Channels, those included that last with nobody in them.",
            "",
            now.channels,
        );
        page.gauge("rookery_bans", "Bans in force.", "", now.bans);
        page.gauge(
            "rookery_maintenance",
            "1 while nobody new is let in.",
            "",
            usize::from(now.maintenance),
        );
        page.counter(
            "rookery_messages_received_total",
            "IRC messages from admitted sessions, of whatever kind.",
            &[("", &self.messages_received)],
        );
        page.counter(
            "rookery_messages_stored_total",
            "Messages put into the history.",
            &[("", &self.messages_stored)],
        );
        page.counter(
            "rookery_messages_not_stored_total",
            "Messages that could not be stored, and so were not sent.",
            &[("", &self.messages_not_stored)],
        );
        page.counter(
            "rookery_state_changes_not_persisted_total",
            "Changes of channels and the like that could not be stored, and hold until the server stops.",
            &[("", &self.changes_not_kept)],
        );
        page.counter(
            "rookery_deliveries_total",
            "Lines put into the sendqs of sessions.",
            &[("", &self.deliveries)],
        );
        page.counter(
            "rookery_delivered_bytes_total",
            "Bytes put into the sendqs of sessions.",
            &[("", &self.delivered_bytes)],
        );
        page.counter(
            "rookery_sendqs_exceeded_total",
            "Sessions closed because they read too slowly.",
            &[("", &self.sendqs_exceeded)],
        );
        page.histogram(
            "rookery_commit_duration_seconds",
            "How long the journal's commits take.",
            &self.commits,
        );
        page.gauge(
            "rookery_core_queue_events",
            "Events that wait for the core.",
            "",
            now.core_queue_events,
        );
        page.gauge(
            "rookery_commit_queue_batches",
            "Batches that wait for the journal.",
            "",
            now.commit_queue_batches,
        );
        page.gauge(
            "rookery_sendq_largest_bytes",
            "What waits for the session with the most to be sent.",
            "",
            now.largest_sendq,
        );
        page.counter(
            "rookery_sign_ins_total",
            "Sign-ins, at either door.",
            &[
                ("{port=\"chat\"}", &self.chat_sign_ins),
                ("{port=\"control\"}", &self.control_sign_ins),
            ],
        );
        page.counter(
            "rookery_sign_ins_refused_total",
            "Sign-ins refused, at either door.",
            &[
                ("{port=\"chat\"}", &self.chat_sign_ins_refused),
                ("{port=\"control\"}", &self.control_sign_ins_refused),
            ],
        );
        page.counter(
            "rookery_audit_failures_total",
            "Acts refused because they could not be entered in the audit trail.",
            &[("", &self.audit_failures)],
        );
        page.counter(
            "rookery_mails_sent_total",
            "Mails that left.",
            &[("", &self.mails_sent)],
        );
        page.counter(
            "rookery_mails_failed_total",
            "Mails given up.",
            &[("", &self.mails_failed)],
        );
        page.gauge(
            "rookery_mail_healthy",
            "Whether the last mail went well.",
            "",
            u8::from(now.mail.is_ok()),
        );
        page.gauge(
            "rookery_store_size_bytes",
            "What the database takes on disk.",
            "",
            now.store_bytes,
        );
        if let Some(end) = now.certificate_expires_at {
            page.gauge(
                "rookery_certificate_expiry_timestamp_seconds",
                "When the server's certificate ends, in seconds since 1970.",
                "",
                seconds(end),
            );
        }
        page.0
    }
}

fn seconds(at: Timestamp) -> String {
    let milliseconds = at.as_millisecond();
    format!(
        "{}.{:03}",
        milliseconds.div_euclid(1000),
        milliseconds.rem_euclid(1000)
    )
}

/// Goes up only.
pub struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, number: usize) {
        self.0.fetch_add(number as u64, Relaxed);
    }

    /// How many so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The upper ends of the buckets, in microseconds.
const BOUNDS: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000,
];

/// How long something took, how often.
pub struct Histogram {
    /// One for each bound, and one for what is beyond.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

impl Histogram {
    const fn new() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; BOUNDS.len() + 1],
            microseconds: AtomicU64::new(0),
        }
    }

    /// It took so long once.
    pub fn observe(&self, time: Duration) {
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < microseconds);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.microseconds.fetch_add(microseconds, Relaxed);
    }
}

/// The text as it grows.
#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a String cannot fail, here and below.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, labels: &str, value: impl Display) {
        self.head(name, help, "gauge");
        self.line(name, labels, value);
    }

    fn counter(&mut self, name: &str, help: &str, counters: &[(&str, &Counter)]) {
        self.head(name, help, "counter");
        for (labels, counter) in counters {
            self.line(name, labels, counter.get());
        }
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, help, "histogram");
        let bounds = BOUNDS
            .iter()
            .map(|bound| decimal(*bound))
            .chain(["+Inf".to_owned()]);
        let mut count = 0;
        for (bound, bucket) in bounds.zip(&histogram.buckets) {
            count += bucket.load(Relaxed);
            self.line(
                &format!("{name}_bucket"),
                &format!("{{le=\"{bound}\"}}"),
                count,
            );
        }
        self.line(
            &format!("{name}_sum"),
            "",
            decimal(histogram.microseconds.load(Relaxed)),
        );
        self.line(&format!("{name}_count"), "", count);
    }
}

/// Microseconds as seconds, without zeros at the end.
fn decimal(microseconds: u64) -> String {
    let text = format!(
        "{}.{:06}",
        microseconds / 1_000_000,
        microseconds % 1_000_000
    );
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_in_its_own_bucket_and_in_all_above() {
        let histogram = Histogram::new();
        for microseconds in [100, 101, 2_500_000, 9_000_000] {
            histogram.observe(Duration::from_micros(microseconds));
        }
        let mut page = Page::default();
        page.histogram("time_seconds", "Time.", &histogram);
        for line in [
            "# TYPE time_seconds histogram",
            "time_seconds_bucket{le=\"0.0001\"} 1",
            "time_seconds_bucket{le=\"0.00025\"} 2",
            "time_seconds_bucket{le=\"1\"} 2",
            "time_seconds_bucket{le=\"2.5\"} 3",
            "time_seconds_bucket{le=\"+Inf\"} 4",
            "time_seconds_sum 11.500201",
            "time_seconds_count 4",
        ] {
            assert!(
                page.0.lines().any(|found| found == line),
                "{line} in\n{}",
                page.0
            );
        }
    }

    fn page() -> String {
        let metrics = Metrics::new();
        metrics.deliveries.add(7);
        metrics.text(&ServerSnapshot {
            started_at: Timestamp::UNIX_EPOCH,
            users: 3,
            sessions: 4,
            channels: 1,
            bans: 0,
            maintenance: false,
            connections: 5,
            core_queue_events: 0,
            commit_queue_batches: 0,
            largest_sendq: 12,
            store_bytes: 4096,
            certificate_expires_at: Some(Timestamp::UNIX_EPOCH),
            mail: Err("no route".to_owned()),
        })
    }

    #[test]
    fn the_page_is_what_prometheus_reads() {
        let text = page();
        for line in [
            "rookery_deliveries_total 7",
            "rookery_users 3",
            "rookery_mail_healthy 0",
            "process_start_time_seconds 0.000",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        let mut names = std::collections::HashSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a name and a kind");
                assert!(names.insert(name.to_owned()), "{name} stands once");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            }
        }
    }

    #[test]
    fn the_dashboard_shows_metrics_that_are_there() {
        let dashboard = include_str!("../../../docs/grafana-dashboard.json");
        let (text, mut found) = (page(), 0);
        for (at, _) in dashboard.match_indices("rookery_") {
            let rest = &dashboard[at..];
            let end = rest
                .find(|char: char| !char.is_ascii_lowercase() && char != '_')
                .unwrap_or(rest.len());
            let is_there = |line: &str| {
                line.strip_prefix(&rest[..end])
                    .is_some_and(|line| line.starts_with([' ', '{']))
            };
            assert!(text.lines().any(is_there), "{}", &rest[..end]);
            found += 1;
        }
        assert!(found > 15);
    }
}
