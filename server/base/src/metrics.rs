//! The server's counters, and the metrics page for Prometheus.
//!
//! A counter is one row of the table below: its field in [`Metrics`], its name, its labels and its
//! help text. Code increments it where something happens, by `METRICS.field.increment()`. Values
//! that are read instead of counted are passed in as a [`ServerSnapshot`].

use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use jiff::Timestamp;
use rookery_control_api::Counters;

/// The state of the server at one moment, for the status and the metrics.
#[derive(Debug)]
pub struct ServerSnapshot {
    /// When the server started.
    pub started_at: Timestamp,
    /// Users online.
    pub users: usize,
    /// Admitted sessions.
    pub sessions: usize,
    /// Channels, including persistent ones without members.
    pub channels: usize,
    /// Bans in force.
    pub bans: usize,
    /// Whether new sessions are refused because of maintenance.
    pub maintenance: bool,
    /// Connections to the chat port, admitted or not.
    pub connections: usize,
    /// Events waiting for the core.
    pub core_queue_events: usize,
    /// Batches waiting for the committer.
    pub commit_queue_batches: usize,
    /// The size of the largest send queue, in bytes.
    pub largest_sendq: usize,
    /// The size of the database on disk, in bytes.
    pub store_bytes: u64,
    /// The number of bytes free on the database's disk.
    pub disk_free_bytes: u64,
    /// Whether everything can be stored, and otherwise what cannot and why.
    pub store: Result<(), String>,
    /// When the server's certificate expires; `None` if that is unknown.
    pub certificate_expires_at: Option<Timestamp>,
    /// Whether the last attempt to send a mail succeeded, and otherwise why it failed.
    pub mail: Result<(), String>,
    /// Whether the clock is regarded as right, and otherwise why not.
    pub clock: Result<(), String>,
}

/// The counters of this process.
pub static METRICS: Metrics = Metrics::new();

/// Declares the counters: the struct, its constructor and its part of the page.
///
/// Rows with the same name must be adjacent and differ in their labels.
macro_rules! counters {
    ($($field:ident: $name:literal, $labels:literal, $help:literal;)*) => {
        /// The counters of the server. They start at zero with the process and only increase.
        pub struct Metrics {
            $(#[doc = $help] pub $field: Counter,)*
            /// Duration of the committer's commits, each of one or more messages.
            pub commits: Histogram,
        }

        impl Metrics {
            const fn new() -> Self {
                Self { $($field: Counter::new(),)* commits: Histogram::new() }
            }

            fn write_counters(&self, page: &mut Page) {
                $(page.sample($name, $help, "counter", $labels, self.$field.get());)*
            }
        }
    };
}

counters! {
    connections_accepted: "rookery_connections_accepted_total", "",
        "Connections accepted on the chat port.";
    connections_refused: "rookery_connections_refused_total", "",
        "Connections to the chat port that were refused: a limit was reached, a ban or maintenance.";
    tls_handshakes_failed: "rookery_tls_handshakes_failed_total", "",
        "Failed TLS handshakes on the chat port.";
    messages_received: "rookery_messages_received_total", "",
        "IRC messages of any kind received from admitted sessions.";
    messages_stored: "rookery_messages_stored_total", "",
        "Messages stored in the history.";
    messages_not_stored: "rookery_messages_not_stored_total", "",
        "Messages that could not be stored and were therefore not delivered.";
    changes_not_persisted: "rookery_state_changes_not_persisted_total", "",
        "Changes of channels and users that could not be stored and are lost at a restart.";
    deliveries: "rookery_deliveries_total", "",
        "Lines added to send queues.";
    delivered_bytes: "rookery_delivered_bytes_total", "",
        "Bytes added to send queues.";
    sendqs_exceeded: "rookery_sendqs_exceeded_total", "",
        "Sessions closed because their send queue exceeded its limit.";
    chat_sign_ins: "rookery_sign_ins_total", "{port=\"chat\"}",
        "Successful sign-ins, by port.";
    control_sign_ins: "rookery_sign_ins_total", "{port=\"control\"}",
        "Successful sign-ins, by port.";
    chat_sign_ins_refused: "rookery_sign_ins_refused_total", "{port=\"chat\"}",
        "Refused sign-ins, by port.";
    control_sign_ins_refused: "rookery_sign_ins_refused_total", "{port=\"control\"}",
        "Refused sign-ins, by port.";
    audit_failures: "rookery_audit_failures_total", "",
        "Acts of operators refused because the audit trail could not be written.";
    mails_sent: "rookery_mails_sent_total", "",
        "Mails sent.";
    mails_failed: "rookery_mails_failed_total", "",
        "Mails that could not be sent.";
}

impl Metrics {
    /// Returns the counters that operators see in the status and in `top`.
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

    /// Renders all counters and the snapshot `now` in Prometheus' text format.
    pub fn text(&self, now: &ServerSnapshot) -> String {
        let mut page = Page::default();
        self.write_counters(&mut page);
        page.histogram(
            "rookery_commit_duration_seconds",
            "Duration of the committer's commits.",
            &self.commits,
        );
        let version = concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"}");
        page.sample(
            "rookery_build_info",
            "The version of the server.",
            "gauge",
            version,
            1,
        );
        let gauges: [(&str, &str, &dyn Display); 15] = [
            (
                "process_start_time_seconds",
                "Start time of the server in seconds since 1970.",
                &seconds(now.started_at),
            ),
            (
                "rookery_connections",
                "Connections to the chat port, admitted or not.",
                &now.connections,
            ),
            ("rookery_sessions", "Admitted sessions.", &now.sessions),
            ("rookery_users", "Users online.", &now.users),
            (
                "rookery_channels",
                "Channels, including persistent ones without members.",
                &now.channels,
            ),
            ("rookery_bans", "Bans in force.", &now.bans),
            (
                "rookery_maintenance",
                "1 during maintenance, when new sessions are refused.",
                &u8::from(now.maintenance),
            ),
            (
                "rookery_core_queue_events",
                "Events waiting for the core.",
                &now.core_queue_events,
            ),
            (
                "rookery_commit_queue_batches",
                "Batches waiting for the committer.",
                &now.commit_queue_batches,
            ),
            (
                "rookery_sendq_largest_bytes",
                "Size of the largest send queue.",
                &now.largest_sendq,
            ),
            (
                "rookery_mail_healthy",
                "Whether the last attempt to send a mail succeeded.",
                &u8::from(now.mail.is_ok()),
            ),
            (
                "rookery_store_size_bytes",
                "Size of the database on disk.",
                &now.store_bytes,
            ),
            (
                "rookery_store_healthy",
                "Whether everything can be stored: there is space, the database is in place, and no other program has locked it.",
                &u8::from(now.store.is_ok()),
            ),
            (
                "rookery_disk_free_bytes",
                "Free space on the database's disk.",
                &now.disk_free_bytes,
            ),
            (
                "rookery_certificate_expiry_timestamp_seconds",
                "Expiry of the server's certificate in seconds since 1970; 0 if unknown.",
                &now.certificate_expires_at.map_or("0".to_owned(), seconds),
            ),
        ];
        for (name, help, value) in gauges {
            page.sample(name, help, "gauge", "", value);
        }
        page.text
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

/// A number that only increases.
pub struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `number`.
    pub fn add(&self, number: usize) {
        self.0.fetch_add(number as u64, Relaxed);
    }

    /// Returns the count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Upper bounds of the histogram's buckets, in microseconds.
const BOUNDS: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000,
];

/// Counts durations by bucket.
pub struct Histogram {
    /// One bucket for each bound, and one for everything above the last.
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

    /// Counts one duration.
    pub fn observe(&self, time: Duration) {
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < microseconds);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.microseconds.fetch_add(microseconds, Relaxed);
    }
}

/// The metrics page that is being written.
#[derive(Default)]
struct Page {
    text: String,
    /// The metric whose samples are being written.
    metric: &'static str,
}

impl Page {
    /// Writes the header of a metric, unless the previous sample belongs to the same metric.
    fn header(&mut self, name: &'static str, help: &str, kind: &str) {
        if self.metric != name {
            self.metric = name;
            // Writing to a String cannot fail, here and below.
            let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        }
    }

    fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.text, "{name}{labels} {value}");
    }

    fn sample(
        &mut self,
        name: &'static str,
        help: &str,
        kind: &str,
        labels: &str,
        value: impl Display,
    ) {
        self.header(name, help, kind);
        self.line(name, labels, value);
    }

    fn histogram(&mut self, name: &'static str, help: &str, histogram: &Histogram) {
        self.header(name, help, "histogram");
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

/// Formats a number of microseconds as seconds, without trailing zeros.
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
    fn a_duration_is_counted_in_its_bucket_and_all_larger_ones() {
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
                page.text.lines().any(|found| found == line),
                "{line} in\n{}",
                page.text
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
            disk_free_bytes: 1 << 30,
            store: Ok(()),
            certificate_expires_at: Some(Timestamp::UNIX_EPOCH),
            mail: Err("no route".to_owned()),
            clock: Ok(()),
        })
    }

    #[test]
    fn the_page_has_one_header_for_each_metric() {
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
                assert!(names.insert(name.to_owned()), "{name} is declared twice");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            }
        }
    }

    #[test]
    fn the_dashboard_uses_only_metrics_that_exist() {
        let dashboard = include_str!("../../../docs/grafana-dashboard.json");
        let (text, mut found) = (page(), 0);
        for (at, _) in dashboard.match_indices("rookery_") {
            let rest = &dashboard[at..];
            let end = rest
                .find(|char: char| !char.is_ascii_lowercase() && char != '_')
                .unwrap_or(rest.len());
            let exists = |line: &str| {
                line.strip_prefix(&rest[..end])
                    .is_some_and(|line| line.starts_with([' ', '{']))
            };
            assert!(text.lines().any(exists), "{}", &rest[..end]);
            found += 1;
        }
        assert!(found > 15);
    }
}
