//! Authentication and authorization of admins: sign-in, sessions, factors and roles.
//!
//! # Sign-in
//! `POST /v1/login` checks the first factor, in this order:
//!
//! 1. *Throttle* ([`throttle`]): whether a password may be tried from this network now, or after
//!    which delay. The attempt counts as a failure until the whole sign-in succeeds.
//! 2. *Password*: verified with a slow hash. For an unknown name, an unrelated hash is verified, so
//!    that neither the answer nor its time reveals whether the admin exists.
//! 3. *Initial password*: one that an owner issued expires after a day.
//!
//! A right password opens a challenge ([`challenges`]), and a code is mailed unless the admin
//! requires the authenticator app. `POST /v1/login/verify` checks the second factor:
//!
//! 4. *Challenge*: it exists, belongs to the network from which the password was sent, is neither
//!    used nor expired, and has attempts left. Every code counts as an attempt before it is
//!    checked.
//! 5. *Admin*: still exists, with the password, role and factors of step 2
//!    ([`Fingerprint`](sessions::Fingerprint)).
//! 6. *Code*: the mailed one, a code of the app, or a recovery code ([`authenticator`]). The mailed
//!    one is compared together with step 4.
//! 7. *Single use*: the code is consumed, and the sign-in recorded, in one transaction. Of two
//!    simultaneous requests with the same code, one succeeds.
//!
//! # Every other request
//! [`Operator::authenticate`](operator::Operator::authenticate) checks the token, the session's
//! expiry and idle time, the admin's fingerprint and the role, in this order, before the handler
//! runs. An admin with an initial password may only replace it or sign out. Operations that change
//! who has access also require a sign-in in the last ten minutes
//! ([`Operator::require_fresh_sign_in`](operator::Operator::require_fresh_sign_in)).
//!
//! # Threats
//! - *Guessing.* The pauses of the throttle grow with each failure, except on networks of admins,
//!   where attempts are only delayed, so that no one can lock an admin out; a client that has
//!   signed in before has a count of its own ([`device`]). A challenge allows five codes, and
//!   opening one requires the password.
//! - *A stolen database.* Passwords are stored as slow hashes, recovery codes as hashes of 120
//!   random bits. Tokens and challenges are in memory only, tokens as hashes. The secrets of
//!   authenticator apps have to be stored as they are.
//! - *A stolen token.* Sessions expire, end when idle, and end when the admin's password, role or
//!   factor changes. A token alone changes neither the password nor a factor: the first requires
//!   the current password, the second a recent sign-in or a code.
//! - *A replayed code.* A mailed code belongs to one challenge, a time step of the app is accepted
//!   once, and a recovery code is removed when it is used.
//! - *Secrets in records.* No password, code or token is written to the log or the audit trail.

pub mod authenticator;
pub mod challenges;
pub mod device;
pub mod enrolments;
pub mod operator;
pub mod password;
pub mod permission;
pub mod sessions;
pub mod throttle;
