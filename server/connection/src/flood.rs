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
use rookery_chat::token_bucket::{Payer, Rate, TokenBucket, TokenBuckets};
use rookery_chat::{Weight, WeightForOthers};
use rookery_protocol::Message;
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
/// longest time for which the others of its network and its site delay a session for each message
/// that it sends.
const MAX_DELAY: Duration = Duration::from_secs(5);
/// How long a bucket that strangers to each other share takes at most until it is out of debt.
const MAX_DEBT: Duration = Duration::from_mins(1);
/// The most that a command weighs before the session is admitted. Until then, nothing reaches
/// anybody, and most commands are refused.
const MAX_BEFORE_ADMISSION: Weight = Weight::PASSWORD;
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
    /// What the clients of one account, or of a network's guests, send when they connect, which
    /// need not wait for others either.
    OnConnect,
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
    standing: Standing,
    long_replies: Buckets,
    /// How many of the received bytes no message has paid for.
    unpaid_bytes: u64,
    start: Instant,
}

/// What decides which others a session shares a rate with.
#[derive(Debug)]
enum Standing {
    /// It is not admitted, and may send so much whatever the others of its network do, so that
    /// nobody is kept from signing in.
    Stranger(TokenBucket),
    /// It is admitted, without an account. All guests of the network share what their clients may
    /// send in addition when they connect.
    Guest(Arc<TokenBucket>),
    /// It has an account.
    Account(Box<Accounts>),
}

/// What an account may send beside the others of its network and its site.
#[derive(Debug)]
struct Accounts {
    /// What it may always send.
    quiet: Arc<TokenBucket>,
    /// What its clients may send in addition when they connect.
    on_connect: Arc<TokenBucket>,
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
            buckets: Mutex::new(TokenBuckets::new(6 * MAX_PAYERS)),
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
            standing: Standing::Stranger(TokenBucket::default()),
            long_replies: self.buckets(payer, Counted::LongReplies, now),
            unpaid_bytes: 0,
            start: self.start,
        }
    }

    /// Lets an account pay for the session from now on, instead of its network.
    pub fn sign_in(&self, flood: &mut Flood, account: AccountId, network: Network, now: Instant) {
        let payer = Payer::Account(account);
        let [of_network, of_site] = [network, network.site()].map(Payer::Network);
        flood.standing = Standing::Account(Box::new(Accounts {
            quiet: self.bucket(payer, Counted::Quiet, now),
            on_connect: self.bucket(payer, Counted::OnConnect, now),
            of_network: self.bucket(of_network, Counted::MessagesOfAccounts, now),
            of_site: self.bucket(of_site, Counted::MessagesOfSite, now),
        }));
        flood.messages.shared = self.bucket(payer, Counted::Messages, now);
        flood.long_replies.shared = self.bucket(payer, Counted::LongReplies, now);
    }

    /// Notes that the session of `network` is admitted, and may send its whole burst again, since
    /// what it had to send before reached nobody. Returns when the next line may be read, if that
    /// is later than `now`.
    pub fn admit(&self, flood: &mut Flood, network: Network, now: Instant) -> Option<Instant> {
        if let Standing::Stranger(_) = flood.standing {
            let payer = Payer::Network(network);
            flood.standing = Standing::Guest(self.bucket(payer, Counted::OnConnect, now));
        }
        flood.admit(now)
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

/// Returns how long the others of its network and its site delay a session at most that has sent
/// something of this weight, whatever they have sent.
fn longest_delay(weight: Weight) -> Duration {
    let messages = weight.tenths().div_ceil(Weight::MESSAGE.tenths());
    MAX_DELAY * messages.max(1)
}

/// Returns the rate at which an account may always send, whatever the others of its site do: as
/// fast as a person types, ten messages, and one every two seconds after that.
fn quiet_rate() -> Rate {
    Rate::new(100, 10, Duration::from_secs(2)).expect("neither is zero")
}

/// Returns the same for a session that is not admitted: enough to sign in, and to mistype the
/// password once.
fn handshake_rate() -> Rate {
    Rate::new(200, 10, Duration::from_secs(2)).expect("neither is zero")
}

/// Returns the allowance for what the clients of an account send when they connect: enough to join
/// fifty channels at once, and thirty more each minute.
fn on_connect_rate() -> Rate {
    Rate::new(1000, 10, Duration::from_secs(1)).expect("neither is zero")
}

impl Flood {
    /// Fills the session's own bucket, and none that it shares, or else connecting again would be a
    /// way around them. Returns when the next line may be read, if that is later than `now`.
    fn admit(&mut self, now: Instant) -> Option<Instant> {
        self.messages.own = TokenBucket::default();
        let nothing = Weight::messages(0);
        let owed = self.take(&self.messages, now, nothing, Weight::MESSAGE);
        let Standing::Account(accounts) = &self.standing else {
            return owed.map(|ready_at| ready_at.min(now + MAX_DELAY));
        };
        let since_start = now.saturating_duration_since(self.start);
        // Each admission is paid for, and who is admitted too often waits for all that is owed: the
        // first message of a session waits for nothing else.
        let price = Weight::MESSAGE.tenths().into();
        if accounts.quiet.try_take(since_start, quiet_rate(), price) {
            return owed;
        }
        owed.max(self.take_of_others(accounts, now, nothing, MAX_DEBT))
    }

    /// Counts a command of the given weight. Returns when the next line may be read, if that is
    /// later than `now`.
    pub fn count(&mut self, now: Instant, weight: Weight) -> Option<Instant> {
        let weight = match self.standing {
            Standing::Stranger(_) => weight.min(MAX_BEFORE_ADMISSION),
            Standing::Guest(_) | Standing::Account(_) => weight,
        };
        let paid = u64::from(weight.tenths()) * BYTES_OF_TENTH;
        self.unpaid_bytes = self.unpaid_bytes.saturating_sub(paid);
        self.take_messages(now, weight)
    }

    /// Counts a message. Returns when the next line may be read, if that is later than `now`.
    pub fn count_message(&mut self, now: Instant, message: &Message) -> Option<Instant> {
        let weight = rookery_chat::weight(message);
        let for_others = rookery_chat::weight_for_others(message, weight);
        let ready_at = self.count(now, weight);
        ready_at.max(self.count_for_others(now, weight, for_others))
    }

    /// Counts the channels that the session has joined and whose members received the `JOIN`.
    /// Returns when the next line may be read, if that is later than `now`.
    pub fn count_joins(&mut self, now: Instant, channels: usize) -> Option<Instant> {
        let for_others = WeightForOthers::OnConnect(rookery_chat::weight_of_joins(channels));
        self.count_for_others(now, Weight::messages(0), for_others)
    }

    fn count_for_others(
        &self,
        now: Instant,
        weight: Weight,
        for_others: WeightForOthers,
    ) -> Option<Instant> {
        match &self.standing {
            Standing::Stranger(_) => None,
            Standing::Guest(allowance) => self.count_for_guests(allowance, now, weight, for_others),
            Standing::Account(accounts) => {
                self.count_for_accounts(accounts, now, weight, for_others)
            }
        }
    }

    /// Counts a line that is no message. Returns the same.
    pub fn count_fault(&mut self, now: Instant) -> Option<Instant> {
        let weight = Weight::MESSAGE;
        let ready_at = self.count(now, weight);
        let Standing::Account(accounts) = &self.standing else {
            return ready_at;
        };
        let for_others = WeightForOthers::Always(weight);
        ready_at.max(self.count_for_accounts(accounts, now, weight, for_others))
    }

    /// Counts a command for all accounts of the network together, and all of the site. `weight` is
    /// what it has counted for the session.
    fn count_for_accounts(
        &self,
        accounts: &Accounts,
        now: Instant,
        weight: Weight,
        for_others: WeightForOthers,
    ) -> Option<Instant> {
        let rate = on_connect_rate();
        let (for_others, longest) =
            self.beyond_allowance(&accounts.on_connect, rate, now, weight, for_others)?;
        // Or else it would cost an account less than the others of its network, who wait for it.
        let more = for_others.beyond(weight);
        let own = more.and_then(|more| self.take_of_account(now, more));
        let since_start = now.saturating_duration_since(self.start);
        let tokens = for_others.tenths().into();
        if accounts.quiet.try_take(since_start, quiet_rate(), tokens) {
            return own;
        }
        // What is more than that is owed as well. A session that waits has paid for it by then, but
        // one that is replaced by another waits for nothing.
        let (quiet, next) = (quiet_rate(), Weight::MESSAGE.tenths().into());
        accounts
            .quiet
            .take_within(since_start, quiet, tokens, next, MAX_DEBT);
        own.max(self.take_of_others(accounts, now, for_others, longest))
    }

    /// Counts for all guests of the network what a command weighs for others beyond `weight`, which
    /// [`Self::count`] has counted for them.
    fn count_for_guests(
        &self,
        allowance: &TokenBucket,
        now: Instant,
        weight: Weight,
        for_others: WeightForOthers,
    ) -> Option<Instant> {
        let rate = on_connect_rate().times(SESSIONS_OF_NETWORK);
        let (for_others, longest) =
            self.beyond_allowance(allowance, rate, now, weight, for_others)?;
        let rate = self.rate?.times(SESSIONS_OF_NETWORK);
        let more = for_others.beyond(weight)?;
        let ready_at = self.take_shared(&self.messages.shared, rate, now, more)?;
        Some(ready_at.min(now + longest))
    }

    /// Takes what a command weighs for others out of the allowance for what clients send when they
    /// connect, if it is such a command. Returns what is beyond it, and how long the session waits
    /// at most for others because of that; `None` if nothing is.
    fn beyond_allowance(
        &self,
        allowance: &TokenBucket,
        rate: Rate,
        now: Instant,
        weight: Weight,
        for_others: WeightForOthers,
    ) -> Option<(Weight, Duration)> {
        match for_others {
            WeightForOthers::Nothing => None,
            WeightForOthers::Always(for_others) => Some((for_others, longest_delay(for_others))),
            WeightForOthers::OnConnect(for_others) => {
                let since_start = now.saturating_duration_since(self.start);
                let tokens = for_others.tenths().into();
                let rest = allowance.take_up_to(since_start, rate, tokens);
                (rest > 0).then_some((Weight::of_tenths(rest), longest_delay(weight)))
            }
        }
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
        self.take_messages(now, weight)
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

    /// Takes the weight out of the buckets of the session and its payer.
    fn take_messages(&self, now: Instant, weight: Weight) -> Option<Instant> {
        let rate = self.rate?;
        let since_start = now.saturating_duration_since(self.start);
        let (tokens, next) = (weight.tenths().into(), Weight::MESSAGE.tenths().into());
        let own = self.messages.own.take(since_start, rate, tokens, next);
        let shared = &self.messages.shared;
        let shared_ready_at = match &self.standing {
            Standing::Account(_) => self.take_of_account(now, weight),
            Standing::Stranger(always)
                if always.try_take(since_start, handshake_rate(), tokens) =>
            {
                None
            }
            Standing::Stranger(_) | Standing::Guest(_) => self
                .take_shared(shared, rate.times(SESSIONS_OF_NETWORK), now, weight)
                .map(|ready_at| ready_at.min(now + longest_delay(weight))),
        };
        own.map(|ready_at| self.start + ready_at)
            .max(shared_ready_at)
    }

    /// Takes the weight out of the bucket of the account. Returns when it has a message again.
    fn take_of_account(&self, now: Instant, weight: Weight) -> Option<Instant> {
        let rate = self.rate?.times(SESSIONS_OF_ACCOUNT);
        let since_start = now.saturating_duration_since(self.start);
        let (tokens, next) = (weight.tenths().into(), Weight::MESSAGE.tenths().into());
        let ready_at = self.messages.shared.take(since_start, rate, tokens, next)?;
        Some(self.start + ready_at)
    }

    fn take_of_others(
        &self,
        accounts: &Accounts,
        now: Instant,
        weight: Weight,
        longest: Duration,
    ) -> Option<Instant> {
        let rate = self.rate?.times(SESSIONS_OF_ACCOUNTS);
        let of_network = self.take_shared(&accounts.of_network, rate, now, weight);
        let rate = rate.times(NETWORKS_OF_SITE.into());
        let of_site = self.take_shared(&accounts.of_site, rate, now, weight);
        let ready_at = of_network.max(of_site)?;
        Some(ready_at.min(now + longest))
    }

    /// Takes the weight out of a bucket that strangers to each other share.
    fn take_shared(
        &self,
        shared: &TokenBucket,
        rate: Rate,
        now: Instant,
        weight: Weight,
    ) -> Option<Instant> {
        let since_start = now.saturating_duration_since(self.start);
        let (tokens, next) = (weight.tenths().into(), Weight::MESSAGE.tenths().into());
        let ready_at = shared.take_within(since_start, rate, tokens, next, MAX_DEBT)?;
        Some(self.start + ready_at)
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
        let sessions = match self.standing {
            Standing::Account(_) => SESSIONS_OF_ACCOUNT,
            Standing::Stranger(_) | Standing::Guest(_) => SESSIONS_OF_NETWORK,
        };
        let shared_rate = rate.times(sessions);
        let shared = buckets.shared.take(since_start, shared_rate, tokens, next);
        own.max(shared).map(|ready_at| self.start + ready_at)
    }
}

#[cfg(test)]
mod tests;
