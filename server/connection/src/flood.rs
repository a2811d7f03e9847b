//! Flood control: a session may send a burst of messages, and then a steady rate. So may all the
//! sessions of an account together, all sessions of accounts from one network and from one site,
//! and all sessions without an account from one network.
//!
//! So are bytes that are not part of a line, as of frames without data, or of a line without end:
//! as many messages as would have had that many bytes.
//!
//! Long replies are counted as well, by their length, in buckets of their own. They are counted
//! when their length is known, and delay the next command with a long reply, and what the client
//! sends after it, but no messages before it.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rookery_chat::Weight;
use rookery_chat::token_bucket::{Payer, Rate, TokenBucket, TokenBuckets};
use rookery_record::{AccountId, NETWORKS_OF_SITE, Network};

/// The number of sessions at their full rate that may share the rate of an account.
const SESSIONS_OF_ACCOUNT: NonZeroU64 = NonZeroU64::new(5).expect("not zero");
/// The number of sessions at their full rate that may share the rate of all accounts in a network.
/// People on slow connections can still read what these send.
const SESSIONS_OF_ACCOUNTS: NonZeroU64 = NonZeroU64::new(10).expect("not zero");
/// The number of sessions at their full rate that may share the rate of a network's other sessions.
const SESSIONS_OF_NETWORK: NonZeroU64 = NonZeroU64::new(25).expect("not zero");
/// The longest time for which earlier long replies delay the next one, also if many sessions share
/// the payer: the commands that have one are also those by which people join and moderate. Also the
/// longest time for which an account is delayed by the others of its network and its site.
const MAX_DELAY: Duration = Duration::from_secs(5);
/// The maximum number of payers that are counted separately.
const MAX_PAYERS: usize = 100_000;

/// How many received bytes a tenth of a message pays for. The longest message has less than ten
/// times as many, with its tags and the frames around it.
const BYTES_OF_TENTH: u64 = 512;
/// How many bytes may be received that no message has paid for: what TLS and WebSocket have read
/// ahead of the line that is counted, and the handshakes.
const UNPAID_BYTES: u64 = 64 << 10;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Counted {
    Messages,
    LongReplies,
    /// The messages of all accounts in a network.
    MessagesOfAccounts,
    /// Those of all accounts in a site.
    MessagesOfSite,
    /// Those of one account that need not wait for the others of its network and its site.
    Quiet,
}

/// The buckets that sessions share.
#[derive(Debug)]
pub struct SharedFlood {
    buckets: Mutex<TokenBuckets<(Payer, Counted)>>,
    /// The moment to which the times of all buckets are relative.
    start: Instant,
}

/// The limits that apply to one session.
#[derive(Debug)]
pub struct Flood {
    /// `None` if there is no limit.
    rate: Option<Rate>,
    messages: Buckets,
    /// What the account shares with the others of its network and its site, if the session has one.
    accounts: Option<Box<Accounts>>,
    long_replies: Buckets,
    /// How many of the received bytes no message has paid for.
    unpaid_bytes: u64,
    /// How many sessions at their full rate may share the payer's buckets.
    sessions: NonZeroU64,
    start: Instant,
}

/// What an account may send beside the others of its network and its site.
#[derive(Debug)]
struct Accounts {
    /// What it may always send.
    quiet: Arc<TokenBucket>,
    /// What all of its network share beyond that.
    of_network: Arc<TokenBucket>,
    /// What all of its site share beyond that.
    of_site: Arc<TokenBucket>,
}

/// The bucket of a session and that of its payer.
#[derive(Debug)]
struct Buckets {
    own: TokenBucket,
    shared: Arc<TokenBucket>,
}

impl SharedFlood {
    /// Creates full buckets.
    pub fn new(now: Instant) -> Self {
        Self {
            buckets: Mutex::new(TokenBuckets::new(5 * MAX_PAYERS)),
            start: now,
        }
    }

    /// Returns the limits of a new session in a network: it may send `burst` messages at once and
    /// `per_second` after that. If either is 0, there is no limit, for its network neither.
    pub fn open(&self, network: Network, burst: u32, per_second: u32, now: Instant) -> Flood {
        let payer = Payer::Network(network);
        // A bucket holds tenths of messages.
        let [burst, per_second] = [burst, per_second].map(|count| u64::from(count) * 10);
        Flood {
            rate: Rate::new(burst, per_second, Duration::from_secs(1)),
            messages: self.buckets(payer, Counted::Messages, now),
            accounts: None,
            long_replies: self.buckets(payer, Counted::LongReplies, now),
            unpaid_bytes: 0,
            sessions: sessions(payer),
            start: self.start,
        }
    }

    /// Lets an account pay for the session from now on, instead of its network.
    pub fn sign_in(&self, flood: &mut Flood, account: AccountId, network: Network, now: Instant) {
        let payer = Payer::Account(account);
        let [of_network, of_site] = [network, network.site()].map(Payer::Network);
        flood.accounts = Some(Box::new(Accounts {
            quiet: self.bucket(payer, Counted::Quiet, now),
            of_network: self.bucket(of_network, Counted::MessagesOfAccounts, now),
            of_site: self.bucket(of_site, Counted::MessagesOfSite, now),
        }));
        flood.messages.shared = self.bucket(payer, Counted::Messages, now);
        flood.long_replies.shared = self.bucket(payer, Counted::LongReplies, now);
        flood.sessions = sessions(payer);
    }

    fn buckets(&self, payer: Payer, counted: Counted, now: Instant) -> Buckets {
        Buckets {
            own: TokenBucket::default(),
            shared: self.bucket(payer, counted, now),
        }
    }

    fn bucket(&self, payer: Payer, counted: Counted, now: Instant) -> Arc<TokenBucket> {
        let now = now.saturating_duration_since(self.start);
        self.buckets.lock().get(now, (payer, counted))
    }
}

/// Returns the rate at which an account may always send, whatever the others of its site do: as
/// fast as a person types, ten messages, and one every two seconds after that.
fn quiet_rate() -> Rate {
    Rate::new(100, 10, Duration::from_secs(2)).expect("neither is zero")
}

fn sessions(payer: Payer) -> NonZeroU64 {
    match payer {
        Payer::Account(_) => SESSIONS_OF_ACCOUNT,
        Payer::Network(_) => SESSIONS_OF_NETWORK,
    }
}

impl Flood {
    /// Lets the session itself send its whole burst again. It does when it is admitted: what it had
    /// to send for that reached nobody. Its payer's buckets remain as they are, or else connecting
    /// again would be a way around them.
    pub fn refill_own(&mut self) {
        self.messages.own = TokenBucket::default();
    }

    /// Counts a command of the given weight. Returns when the next line may be read, if that is
    /// later than `now`.
    pub fn count(&mut self, now: Instant, weight: Weight) -> Option<Instant> {
        let paid = u64::from(weight.tenths()) * BYTES_OF_TENTH;
        self.unpaid_bytes = self.unpaid_bytes.saturating_sub(paid);
        self.take(&self.messages, now, weight, Weight::MESSAGE)
    }

    /// Counts a command as [`Self::count`] does, and for all accounts of the network together, and
    /// all of the site. What clients send when they connect is not counted for these, since many
    /// may do that at once.
    pub fn count_with_network(&mut self, now: Instant, weight: Weight) -> Option<Instant> {
        let ready_at = self.count(now, weight);
        ready_at.max(self.take_of_accounts(now, weight))
    }

    /// Counts `received` further bytes, if those that no message has paid for are too many. Returns
    /// when the next message may be read, if that is later than `now`.
    pub fn count_bytes(&mut self, now: Instant, received: u64) -> Option<Instant> {
        self.unpaid_bytes += received;
        let unpaid = self.unpaid_bytes.saturating_sub(UNPAID_BYTES);
        if unpaid < BYTES_OF_TENTH {
            return None;
        }
        let weight = Weight::of_bytes(unpaid, BYTES_OF_TENTH);
        self.unpaid_bytes -= unpaid;
        self.take(&self.messages, now, weight, Weight::MESSAGE)
    }

    /// Counts a long reply of the given weight.
    pub fn count_long_reply(&mut self, now: Instant, weight: Weight) {
        self.take(&self.long_replies, now, weight, Weight::LIGHT);
    }

    /// Returns when the next long reply may be produced, if that is later than `now`.
    pub fn long_reply_at(&self, now: Instant) -> Option<Instant> {
        let ready_at = self.take(&self.long_replies, now, Weight::of_reply(0), Weight::LIGHT)?;
        Some(ready_at.min(now + MAX_DELAY))
    }

    /// Takes the weight out of the buckets of the network's and the site's accounts, unless the
    /// account sends so little that the others do not matter to it.
    fn take_of_accounts(&self, now: Instant, weight: Weight) -> Option<Instant> {
        let (accounts, rate) = self.accounts.as_ref().zip(self.rate)?;
        let since_start = now.saturating_duration_since(self.start);
        let (tokens, next) = (weight.tenths().into(), Weight::MESSAGE.tenths().into());
        if accounts.quiet.try_take(since_start, quiet_rate(), tokens) {
            return None;
        }
        let take = |shared: &TokenBucket, rate| {
            shared.take_within(since_start, rate, tokens, next, MAX_DELAY)
        };
        let rate = rate.times(SESSIONS_OF_ACCOUNTS);
        let of_network = take(&accounts.of_network, rate);
        let of_site = take(&accounts.of_site, rate.times(NETWORKS_OF_SITE.into()));
        of_network
            .max(of_site)
            .map(|ready_at| self.start + ready_at)
    }

    /// Takes the weight out of both buckets. Returns when both have `next` left, if that is later
    /// than `now`.
    fn take(
        &self,
        buckets: &Buckets,
        now: Instant,
        weight: Weight,
        next: Weight,
    ) -> Option<Instant> {
        let rate = self.rate?;
        let since_start = now.saturating_duration_since(self.start);
        let (tokens, next) = (weight.tenths().into(), next.tenths().into());
        let own = buckets.own.take(since_start, rate, tokens, next);
        let shared_rate = rate.times(self.sessions);
        let shared = buckets.shared.take(since_start, shared_rate, tokens, next);
        own.max(shared).map(|ready_at| self.start + ready_at)
    }
}

#[cfg(test)]
mod tests {
    use rookery_protocol::Message;

    use super::*;

    /// Returns the limits of a session whose account has no other.
    fn flood(burst: u32, per_second: u32, now: Instant) -> Flood {
        of_account(1, &SharedFlood::new(now), burst, per_second, now)
    }

    /// Returns the limits of a session of an account, which is in a network of its own.
    fn of_account(
        account: u8,
        shared: &SharedFlood,
        burst: u32,
        per_second: u32,
        now: Instant,
    ) -> Flood {
        let network = network(account);
        let mut flood = shared.open(network, burst, per_second, now);
        shared.sign_in(&mut flood, AccountId(account.into()), network, now);
        flood
    }

    fn network(number: u8) -> Network {
        Network::of([192, 0, 2, number].into())
    }

    fn all_at_once(flood: &mut Flood, now: Instant) -> usize {
        let sent =
            (0..1000).take_while(|_| flood.count_with_network(now, Weight::MESSAGE).is_none());
        1 + sent.count()
    }

    #[test]
    fn the_sessions_of_an_account_share_a_rate_and_do_not_affect_others() {
        let start = Instant::now();
        let shared = SharedFlood::new(start);
        let mut sent = 0;
        for _ in 0..50 {
            let mut session = of_account(1, &shared, 20, 4, start);
            sent += all_at_once(&mut session, start);
        }
        // Five sessions send all that they may; each of the others one message, and then waits.
        assert_eq!(sent, 5 * 20 + 45);
        let mut bob = of_account(2, &shared, 20, 4, start);
        assert_eq!(all_at_once(&mut bob, start), 20);
        let mut guest = shared.open(network(3), 20, 4, start);
        assert_eq!(all_at_once(&mut guest, start), 20);
        shared.sign_in(&mut guest, AccountId(1), network(3), start);
        let next = guest.count(start, Weight::MESSAGE).expect("a wait");
        assert!(
            next > start + Duration::from_secs(2),
            "alice owes 45 messages"
        );
    }

    #[test]
    fn passwords_that_one_account_has_checked_leave_slots_for_others() {
        let start = Instant::now();
        let shared = SharedFlood::new(start);
        let of = |line| rookery_chat::weight(&Message::parse(line).expect("a message"));
        let weight = of("AUTHENTICATE AGFsaWNlAGNvcnJlY3QtaG9yc2U=");
        let scram = of("AUTHENTICATE biwsbj1hbGljZSxyPXJPcHJOR2Z3RWJlUldnYk5Fa3FP");
        assert_eq!(weight, scram, "the beginning of a SCRAM exchange");
        let email = of("SETEMAIL alice@example.org");
        assert_eq!((weight, weight), (of("REGISTER a b@example.org :p"), email));
        let session = |_| of_account(1, &shared, 20, 4, start);
        let mut sessions: Vec<_> = (0..100).map(session).collect();
        let mut ready_at = vec![start; sessions.len()];
        let mut proofs = 0;
        for millisecond in 0..60_000 {
            let now = start + Duration::from_millis(millisecond);
            for (session, ready_at) in sessions.iter_mut().zip(&mut ready_at) {
                if *ready_at <= now {
                    proofs += 1;
                    *ready_at = session.count(now, weight).unwrap_or(now);
                }
            }
        }
        assert!((300..500).contains(&proofs), "{proofs} in a minute");
    }

    #[test]
    fn an_admitted_session_has_its_burst_and_its_payer_has_not() {
        let start = Instant::now();
        let shared = SharedFlood::new(start);
        let session = |_| of_account(1, &shared, 20, 4, start);
        let mut sessions: Vec<_> = (0..5).map(session).collect();
        for session in &mut sessions {
            all_at_once(session, start);
            session.refill_own();
        }
        let mut bob = of_account(2, &shared, 20, 4, start);
        all_at_once(&mut bob, start);
        bob.refill_own();
        assert_eq!(all_at_once(&mut bob, start), 20);
        assert_eq!(
            all_at_once(&mut sessions[0], start),
            1,
            "the account's burst is used up"
        );
    }

    #[test]
    fn bytes_without_messages_count_as_messages() {
        let start = Instant::now();
        let mut flood = flood(20, 4, start);
        assert_eq!(flood.count_bytes(start, UNPAID_BYTES), None);
        let received = 40 * 10 * BYTES_OF_TENTH;
        let wait = flood.count_bytes(start, received).expect("a wait");
        assert_eq!(
            wait - start,
            Duration::from_millis(5250),
            "21 messages late"
        );
        let little_by_little = (0..1000).filter_map(|_| flood.count_bytes(wait, 1));
        assert_eq!(little_by_little.count(), 1);
    }

    #[test]
    fn messages_pay_for_their_bytes_and_for_no_others() {
        let start = Instant::now();
        let mut flood = flood(20, 4, start);
        let mut now = start;
        for _ in 0..1000 {
            // The longest message, in frames of TLS and WebSocket.
            let received = 4096 + 512 + 22 + 8;
            now += Duration::from_millis(250);
            assert_eq!(flood.count_bytes(now, received), None);
            assert_eq!(flood.count(now, Weight::MESSAGE), None);
        }
        now += Duration::from_mins(1);
        let received = UNPAID_BYTES + 100 * 10 * BYTES_OF_TENTH;
        assert!(flood.count_bytes(now, received).is_some());
    }

    #[test]
    fn after_a_burst_messages_pass_one_at_a_time() {
        let start = Instant::now();
        let mut flood = flood(3, 2, start);
        assert_eq!(flood.count(start, Weight::messages(1)), None);
        assert_eq!(flood.count(start, Weight::messages(1)), None);
        let next = flood
            .count(start, Weight::messages(1))
            .expect("the burst is used up");
        assert_eq!(next - start, Duration::from_millis(500));
        assert_eq!(
            flood.count(next, Weight::messages(1)),
            Some(next + Duration::from_millis(500))
        );
        assert_eq!(
            flood.count(start + Duration::from_mins(1), Weight::messages(1)),
            None,
            "a pause allows a burst again"
        );
    }

    #[test]
    fn commands_that_visit_everything_count_as_more() {
        let start = Instant::now();
        let mut flood = flood(20, 4, start);
        assert_eq!(flood.count(start, Weight::messages(10)), None);
        assert_eq!(
            flood.count(start, Weight::messages(10)),
            Some(start + Duration::from_millis(250))
        );
        assert_eq!(
            flood.count(start + Duration::from_millis(250), Weight::messages(10)),
            Some(start + Duration::from_millis(2750))
        );
    }

    #[test]
    fn ten_light_commands_count_as_one_message() {
        let start = Instant::now();
        let mut flood = flood(2, 1, start);
        assert!((0..10).all(|_| flood.count(start, Weight::LIGHT).is_none()));
        assert!((0..10).any(|_| flood.count(start, Weight::LIGHT).is_some()));
    }

    #[test]
    fn long_replies_delay_the_next_long_reply_and_no_message() {
        let start = Instant::now();
        let mut flood = flood(20, 4, start);
        assert_eq!(flood.long_reply_at(start), None);
        flood.count_long_reply(start, Weight::of_reply(100 << 10));
        assert_eq!(flood.long_reply_at(start), None, "a burst");
        flood.count_long_reply(start, Weight::of_reply(600 << 10));
        let ready_at = flood.long_reply_at(start).expect("a wait");
        let seconds = (ready_at - start).as_secs_f32();
        assert!((3.0..4.0).contains(&seconds), "{seconds}");
        assert_eq!(flood.long_reply_at(ready_at), None);
        flood.count_long_reply(start, Weight::of_reply(100 << 20));
        assert_eq!(flood.long_reply_at(start), Some(start + MAX_DELAY));
        assert_eq!(all_at_once(&mut flood, start), 20);
    }

    #[test]
    fn the_guests_of_a_network_share_a_rate_of_long_replies() {
        let start = Instant::now();
        let shared = SharedFlood::new(start);
        let mut replies = 0;
        for _ in 0..100 {
            let mut session = shared.open(network(1), 20, 4, start);
            while session.long_reply_at(start).is_none() {
                replies += 1;
                session.count_long_reply(start, Weight::of_reply(500 << 10));
            }
        }
        assert_eq!(replies, 20, "500 KiB each, of 25 times 400 KiB");
        let mut alice = shared.open(network(1), 20, 4, start);
        assert!(alice.long_reply_at(start).is_some());
        shared.sign_in(&mut alice, AccountId(1), network(1), start);
        assert_eq!(alice.long_reply_at(start), None);
    }

    /// Each new session sends its first line at once, however much was sent before.
    #[test]
    fn an_account_does_not_make_the_others_of_its_network_wait_for_long() {
        let start = Instant::now();
        let shared = SharedFlood::new(start);
        let line = Message::parse("PRIVMSG a,b,c,d :text").expect("a message");
        for _ in 0..1000 {
            let mut session = shared.open(network(1), 20, 4, start);
            shared.sign_in(&mut session, AccountId(1), network(1), start);
            session.count_with_network(start, rookery_chat::weight(&line));
        }
        let mut other = shared.open(network(1), 20, 4, start);
        shared.sign_in(&mut other, AccountId(2), network(1), start);
        for _ in 0..10 {
            let next = other.count_with_network(start, Weight::MESSAGE);
            assert_eq!(next, None, "it sends little");
        }
        let next = other.count_with_network(start, Weight::MESSAGE);
        let next = next.expect("a wait");
        assert_eq!(next.saturating_duration_since(start), MAX_DELAY);
        let mut connecting = shared.open(network(1), 20, 4, start);
        shared.sign_in(&mut connecting, AccountId(3), network(1), start);
        let next = connecting.count(start, Weight::MESSAGE);
        assert_eq!(next, None, "it sends nothing to others");
    }

    /// Ten accounts could send so much that people on slow connections were disconnected.
    #[test]
    fn the_accounts_of_a_network_share_a_rate() {
        let start = Instant::now();
        let shared = SharedFlood::new(start);
        let mut sent = 0;
        for account in 0..100 {
            let mut session = shared.open(network(1), 20, 4, start);
            shared.sign_in(&mut session, AccountId(account), network(1), start);
            sent += all_at_once(&mut session, start);
        }
        // Twenty sessions send all that they may, half of it always; each of the others that half
        // and one message, and then waits.
        assert_eq!(sent, 20 * 20 + 80 * 11);
        let mut guest = shared.open(network(1), 20, 4, start);
        assert_eq!(all_at_once(&mut guest, start), 20, "guests have their own");
        shared.sign_in(&mut guest, AccountId(101), network(2), start);
        guest.refill_own();
        assert_eq!(all_at_once(&mut guest, start), 20, "another network");
    }

    #[test]
    fn the_accounts_of_a_site_share_the_rate_of_four_networks() {
        let start = Instant::now();
        let shared = SharedFlood::new(start);
        let session = |account, address: [u16; 8]| {
            let network = Network::of(std::net::IpAddr::from(address));
            let mut session = shared.open(network, 20, 4, start);
            shared.sign_in(&mut session, AccountId(account), network, start);
            session
        };
        let mut sent = 0;
        for number in 0..100 {
            let mut session = session(number.into(), [0x2001, 0xdb8, 0, number, 0, 0, 0, 1]);
            sent += all_at_once(&mut session, start);
        }
        // Eighty sessions send all that they may, half of it always; each of the others that half
        // and one message, and then waits.
        assert_eq!(sent, 80 * 20 + 20 * 11);
        let mut other = session(100, [0x2001, 0xdb8, 1, 0, 0, 0, 0, 1]);
        assert_eq!(all_at_once(&mut other, start), 20, "another site");
    }

    #[test]
    fn zero_is_no_limit() {
        let start = Instant::now();
        let mut flood = flood(0, 4, start);
        flood.count_long_reply(start, Weight::of_reply(1 << 30));
        assert_eq!(flood.long_reply_at(start), None);
        assert!((0..1000).all(|_| flood.count(start, Weight::messages(1)).is_none()));
    }
}
