//! The audit trail: a record of every act of an operator and every sign-in, allowed or refused.
//!
//! # What is recorded, and when
//! An act is recorded before it takes effect. If the entry cannot be written, the act is refused
//! with `audit-unavailable` and nothing is done: there is no act without a record. Where the act is
//! a change of the store, the change and its entry are one transaction
//! ([`Operator::record`](crate::auth::operator::Operator::record)); otherwise the entry is written
//! first ([`Trail::allow`](trail::Trail::allow)). Refusals are recorded with their reason.
//!
//! An entry has the time, the actor, the origin (address and port), the public id of the session,
//! the act, its target, the outcome and a detail. It never holds a password, a code or a token: the
//! refusal of a request that may contain one is recorded by its title alone
//! ([`Refusal::without_content`](crate::http::problem::Refusal::without_content)). Text from a
//! request is cut to a maximum length, and its control characters are replaced.
//!
//! # Threats
//! - *Tampering.* Each entry has the hash of the previous one, and the newest hash is mailed to all
//!   admins daily ([`chain_mail`]). An attacker who rewrites the database can rebuild the chain,
//!   but not the mails. `admin-cli` stores the newest entry, signed by the server ([`head_key`]),
//!   and compares it at each sign-in and each look at the trail. What is rewritten or cut off while
//!   the server runs is noticed at the next entry, because the store remembers the newest one.
//! - *Flooding without a sign-in.* Refused requests without a session are recorded one by one only
//!   up to a limit per network and minute, and counted beyond it ([`refusal_meter`]), so that
//!   nobody can fill the disk without signing in.
//! - *Noise.* A list that is read again within a minute is not recorded again
//!   ([`Operator::allow_view`](crate::auth::operator::Operator::allow_view)).
//! - *Flooding by an admin.* Reads of an admin who is no owner are refused beyond a number in a
//!   minute, and refusals of any admin are counted beyond one ([`admin_meter`]): who may only read
//!   cannot hide the acts of others.
//! - *Unnoticed misuse of an admin's access.* Admins are mailed about sign-ins from new addresses,
//!   changed factors, used recovery codes and repeated failures ([`notices`]).
//!
//! The trail is read and verified by the routes in `routes/audit.rs`.

pub mod admin_meter;
pub mod chain_mail;
pub mod head_key;
pub mod notices;
pub mod refusal_meter;
pub mod trail;
