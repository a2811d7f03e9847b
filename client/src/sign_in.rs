//! The sign-in on one connection, as a state machine without I/O. Its input is messages from the
//! server and codes from the user; its output is [`Action`]s.
//!
//! A credential stored on this device signs in without questions (SASL `PLAIN`). Without one, or
//! when the server refuses it, the account is registered (IRCv3 `draft/account-registration`); if
//! it exists already, this device is added to it (SASL `X-EMAIL-CODE`). Both verify the email with
//! a mailed code. Reading a mail may take minutes, and servers limit the time of capability
//! negotiation, so the negotiation ends before the user is asked for a code. A server that admits
//! guests may therefore welcome the user before the sign-in is complete.
//!
//! Data of one state is part of that state, so nothing has to be reset when the user corrects the
//! name or email and the sign-in restarts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rookery_protocol::code::without_separators;
use rookery_protocol::{
    AccountName, Capabilities, Capability, DeviceCredential, Email, Message, Nick, numeric,
};

use crate::state::StoredAccount;

/// The capabilities without which `rook` does not work.
const REQUIRED: Capabilities = Capabilities::of(&[
    Capability::Batch,
    Capability::EchoMessage,
    Capability::LabeledResponse,
    Capability::MessageTags,
    Capability::Sasl,
]);
/// The capabilities that are requested where they are offered.
const OPTIONAL: Capabilities = Capabilities::of(&[
    Capability::AccountNotify,
    Capability::AccountRegistration,
    Capability::AccountTag,
    Capability::ChannelRename,
    Capability::Chathistory,
    Capability::MessageRedaction,
    Capability::MultiPrefix,
    Capability::Multiline,
    Capability::ReadMarker,
    Capability::ServerTime,
    Capability::StandardReplies,
]);
/// The number of wrong codes after which the sign-in fails. The server has the same limit.
const MAX_ATTEMPTS: u8 = 5;
/// The number of digits of a mailed code.
const CODE_DIGITS: usize = 6;
/// The beginning of the text of numeric 904, which means nothing to users.
const SASL_FAILED: &str = "SASL authentication failed: ";
/// The SASL mechanism that adds a device by a mailed code.
const MAIL_MECHANISM: &str = "X-EMAIL-CODE";

/// The account that signs in, and how.
#[derive(Clone, Debug)]
pub enum Plan {
    /// With the credential stored on this device.
    StoredCredential {
        /// The account.
        account: StoredAccount,
        /// The credential to register when the stored one is refused; `None` if no user is there to
        /// enter a code.
        fallback: Option<DeviceCredential>,
    },
    /// With the stored credential, for one command of a script. Where the server supports it
    /// (`rookery/visitor`), other users do not see that the account is online.
    Visit(StoredAccount),
    /// With a mailed code, after which the account's credential is valid.
    MailedCode(StoredAccount),
}

/// An action that the caller must carry out after a message or a code.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a message to the server.
    Send(Message),
    /// Ask the user for the mailed code, and pass it to [`SignIn::answer`].
    AskCode {
        /// The address that the code was mailed to.
        email: Email,
        /// If set, the mail was sent only if the email is that of this account; the server does not
        /// say whether it is. `None` if the mail was certainly sent.
        if_email_of: Option<AccountName>,
    },
    /// Show a text to the user.
    Notify(String),
    /// Store the account on this device.
    Store(StoredAccount),
    /// The user is signed in and admitted. Nothing follows.
    Done,
    /// The sign-in has failed, for this reason. Nothing follows.
    Fail(String),
}

/// A sign-in on one connection.
#[derive(Debug)]
pub struct SignIn {
    account: StoredAccount,
    /// The nick to use if the account's nick is in use before the account is authenticated.
    temporary_nick: Nick,
    /// The capabilities that the server offers.
    offered: Capabilities,
    /// The SASL mechanisms that the server offers, if it lists them.
    mechanisms: Option<String>,
    /// Whether this is only a visit for one command.
    is_visit: bool,
    state: State,
}

/// The stage of a sign-in.
#[derive(Debug)]
enum State {
    /// `CAP LS` or `CAP REQ` is sent; capability negotiation is open.
    Negotiating { method: Method },
    /// `AUTHENTICATE PLAIN` is sent; capability negotiation is open.
    Plain { fallback: Option<DeviceCredential> },
    /// `REGISTER` is sent.
    Registering { admitted: bool },
    /// The code of a registration was requested from the user, or sent to the server.
    Verifying { admitted: bool, attempts: u8 },
    /// `AUTHENTICATE X-EMAIL-CODE` is under way.
    AddingDevice {
        admitted: bool,
        attempts: u8,
        step: MailStep,
        /// The server's text that the account exists, until the user is asked for the code.
        exists: Option<String>,
    },
    /// The server has authenticated the account; only the welcome is missing.
    Authenticated,
    /// The sign-in is over.
    Finished,
}

/// The method of authentication once capabilities are negotiated.
#[derive(Debug)]
enum Method {
    StoredCredential { fallback: Option<DeviceCredential> },
    Visit,
    MailedCode,
}

/// The stage of an `X-EMAIL-CODE` exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MailStep {
    /// The mechanism is chosen.
    Started,
    /// Name and email are sent; the server mails the code.
    Mailing,
    /// The code was requested from the user, or sent to the server.
    Code,
}

impl State {
    /// Whether the server has welcomed the user, perhaps as a guest.
    fn is_admitted(&self) -> bool {
        match self {
            Self::Registering { admitted }
            | Self::Verifying { admitted, .. }
            | Self::AddingDevice { admitted, .. } => *admitted,
            _ => false,
        }
    }

    /// Whether the server has sent, or is sending, a mail with a code.
    fn has_mail(&self) -> bool {
        match self {
            Self::Verifying { .. } => true,
            Self::AddingDevice { step, .. } => *step != MailStep::Started,
            _ => false,
        }
    }
}

impl SignIn {
    /// Starts a sign-in; returns its first actions.
    pub fn start(plan: Plan, temporary_nick: Nick) -> (Self, Vec<Action>) {
        let (account, method) = match plan {
            Plan::StoredCredential { account, fallback } => {
                (account, Method::StoredCredential { fallback })
            }
            Plan::Visit(account) => (account, Method::Visit),
            Plan::MailedCode(account) => (account, Method::MailedCode),
        };
        let is_visit = matches!(method, Method::Visit);
        let name = account.name.as_str();
        let actions = vec![
            send("CAP", &["LS", "302"]),
            send("NICK", &[name]),
            send("USER", &["rook", "0", "*", name]),
        ];
        let sign_in = Self {
            account,
            temporary_nick,
            offered: Capabilities::NONE,
            mechanisms: None,
            is_visit,
            state: State::Negotiating { method },
        };
        (sign_in, actions)
    }

    /// Whether the server lists the devices of an account to its owner, so that this one should be
    /// labelled.
    pub fn lists_devices(&self) -> bool {
        let has_mechanism = |list: &String| list.split(',').any(|one| one == MAIL_MECHANISM);
        !self.is_visit && self.mechanisms.as_ref().is_some_and(has_mechanism)
    }

    /// Handles a message; returns `None` if it is not about the sign-in.
    pub fn handle(&mut self, message: &Message) -> Option<Vec<Action>> {
        Some(match message.command.as_str() {
            "CAP" => self.handle_cap(message),
            "AUTHENTICATE" if message.param(0) == Some("+") => self.handle_challenge(),
            "REGISTER" => match message.param(0) {
                Some("SUCCESS") => self.handle_success(),
                Some("VERIFICATION_REQUIRED") => {
                    self.state = State::Verifying {
                        admitted: self.state.is_admitted(),
                        attempts: 0,
                    };
                    vec![self.ask_code()]
                }
                _ => Vec::new(),
            },
            "VERIFY" if message.param(0) == Some("SUCCESS") => self.handle_success(),
            "FAIL" => self.handle_failure(message)?,
            // Until a mail is sent, such messages explain how to sign in with another client.
            // Afterwards they are about the mail.
            "NOTE" | "WARN" | "NOTICE" if self.state.has_mail() => {
                vec![Action::Notify(text_of(message))]
            }
            numeric::RPL_SASLSUCCESS => self.handle_success(),
            numeric::ERR_SASLFAIL | numeric::ERR_NICKLOCKED | numeric::ERR_SASLTOOLONG => {
                self.handle_sasl_failure(message)
            }
            numeric::RPL_WELCOME => self.handle_welcome(),
            numeric::ERR_NICKNAMEINUSE
            | numeric::ERR_UNAVAILRESOURCE
            | numeric::ERR_ERRONEUSNICKNAME
                if !self.state.is_admitted() =>
            {
                self.handle_nick_refusal(message)
            }
            // ERR_SASLABORTED answers our own abort when the sign-in restarts.
            "AUTHENTICATE"
            | "VERIFY"
            | "NOTE"
            | "WARN"
            | "NOTICE"
            | numeric::RPL_LOGGEDIN
            | numeric::RPL_LOGGEDOUT
            | numeric::RPL_SASLMECHS
            | numeric::ERR_SASLABORTED => Vec::new(),
            _ => return None,
        })
    }

    /// Handles the code that the user has entered after [`Action::AskCode`].
    pub fn answer(&mut self, code: &str) -> Vec<Action> {
        let code = &*without_separators(code);
        // The server counts attempts, so text that cannot be a code is not sent.
        if code.len() != CODE_DIGITS || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return vec![
                Action::Notify(format!("The code is the {CODE_DIGITS} digits in the mail.")),
                self.ask_code(),
            ];
        }
        match self.state {
            State::Verifying { .. } => vec![send("VERIFY", &[self.account.name.as_str(), code])],
            State::AddingDevice {
                step: MailStep::Code,
                ..
            } => {
                let response = format!("{code}\0{}", self.account.credential.expose());
                vec![send("AUTHENTICATE", &[&BASE64.encode(response)])]
            }
            _ => Vec::new(),
        }
    }

    /// Restarts the sign-in as `account`, after the user has corrected the name or email, or has
    /// requested another mail.
    pub fn restart(&mut self, account: StoredAccount) -> Vec<Action> {
        let mut actions = Vec::new();
        if matches!(self.state, State::AddingDevice { .. }) {
            actions.push(send("AUTHENTICATE", &["*"]));
        }
        if self.account.name != account.name && !self.state.is_admitted() {
            actions.push(send("NICK", &[account.name.as_str()]));
        }
        self.account = account;
        if let State::Negotiating { method } = &mut self.state {
            *method = Method::MailedCode;
        } else {
            actions.extend(self.register());
        }
        actions
    }

    fn handle_cap(&mut self, message: &Message) -> Vec<Action> {
        if !matches!(self.state, State::Negotiating { .. }) {
            return Vec::new();
        }
        let list = message
            .params
            .last()
            .map(String::as_str)
            .unwrap_or_default();
        match message.param(1) {
            Some("LS") => {
                self.collect_offer(list);
                // An asterisk before the list means that it continues in the next message.
                if message.params.len() > 3 {
                    Vec::new()
                } else {
                    self.request_capabilities()
                }
            }
            Some("ACK") => self.authenticate(),
            Some("NAK") => self.fail(format!(
                "the server refuses capabilities that rook needs: {list}"
            )),
            _ => Vec::new(),
        }
    }

    fn collect_offer(&mut self, list: &str) {
        for item in list.split_ascii_whitespace() {
            let (name, value) = item.split_once('=').unwrap_or((item, ""));
            if let Some(capability) = Capability::from_name(name) {
                self.offered.insert(capability);
            }
            if name == Capability::Sasl.name() && !value.is_empty() {
                self.mechanisms = Some(value.to_owned());
            }
        }
    }

    fn request_capabilities(&mut self) -> Vec<Action> {
        let missing: Vec<&str> = REQUIRED
            .iter()
            .filter(|required| !self.offered.has(*required))
            .map(Capability::name)
            .collect();
        if !missing.is_empty() {
            return self.fail(format!(
                "rook needs capabilities that this server lacks: {}",
                missing.join(", ")
            ));
        }
        let wanted: Vec<&str> = self
            .offered
            .iter()
            .filter(|&one| {
                REQUIRED.has(one)
                    || OPTIONAL.has(one)
                    || (self.is_visit && one == Capability::Visitor)
            })
            .map(Capability::name)
            .collect();
        vec![send("CAP", &["REQ", &wanted.join(" ")])]
    }

    /// Starts to authenticate, once capabilities are negotiated.
    fn authenticate(&mut self) -> Vec<Action> {
        match std::mem::replace(&mut self.state, State::Plain { fallback: None }) {
            State::Negotiating {
                method: Method::StoredCredential { fallback },
            } => self.state = State::Plain { fallback },
            State::Negotiating {
                method: Method::Visit,
            } => {}
            _ => return self.end_negotiation_and_register(),
        }
        vec![send("AUTHENTICATE", &["PLAIN"])]
    }

    fn end_negotiation_and_register(&mut self) -> Vec<Action> {
        let mut actions = vec![send("CAP", &["END"])];
        actions.extend(self.register());
        actions
    }

    /// Registers the account. If the server does not offer registration, the account may still
    /// exist, so this device is added to it.
    fn register(&mut self) -> Vec<Action> {
        let admitted = self.state.is_admitted();
        if !self.offered.has(Capability::AccountRegistration) {
            return self.add_device(admitted, 0, None);
        }
        self.state = State::Registering { admitted };
        let StoredAccount {
            name,
            email,
            credential,
        } = &self.account;
        vec![send(
            "REGISTER",
            &[name.as_str(), email.as_str(), credential.expose()],
        )]
    }

    /// Starts to add this device to an existing account.
    fn add_device(&mut self, admitted: bool, attempts: u8, exists: Option<String>) -> Vec<Action> {
        let offers = |list: &String| list.split(',').any(|one| one == MAIL_MECHANISM);
        if !self.mechanisms.as_ref().is_none_or(offers) {
            return self.fail("the server does not offer sign-in by mailed code".to_owned());
        }
        self.state = State::AddingDevice {
            admitted,
            attempts,
            step: MailStep::Started,
            exists,
        };
        vec![send("AUTHENTICATE", &[MAIL_MECHANISM])]
    }

    /// Handles `AUTHENTICATE +`, with which the server requests the next response. Name, email and
    /// credential are shorter than 400 bytes together, so every response fits one message.
    fn handle_challenge(&mut self) -> Vec<Action> {
        let StoredAccount {
            name,
            email,
            credential,
        } = &self.account;
        match &mut self.state {
            State::Plain { .. } => {
                let response = format!("\0{name}\0{}", credential.expose());
                vec![send("AUTHENTICATE", &[&BASE64.encode(response)])]
            }
            State::AddingDevice { step, exists, .. } => match step {
                MailStep::Started => {
                    *step = MailStep::Mailing;
                    let response = format!("{name}\0{email}");
                    vec![send("AUTHENTICATE", &[&BASE64.encode(response)])]
                }
                MailStep::Mailing => {
                    *step = MailStep::Code;
                    let notice = exists.take().map(|_| {
                        Action::Notify(format!(
                            "{name} already exists. If it is yours, enter the mailed code to add \
                             this device."
                        ))
                    });
                    notice.into_iter().chain([self.ask_code()]).collect()
                }
                MailStep::Code => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// Handles `FAIL <command> <code> [context…] <text>` (IRCv3 standard replies).
    fn handle_failure(&mut self, message: &Message) -> Option<Vec<Action>> {
        let text = text_of(message);
        Some(
            match (message.param(0)?, message.param(1)?, &mut self.state) {
                ("REGISTER", "ACCOUNT_EXISTS", State::Registering { admitted }) => {
                    let admitted = *admitted;
                    self.add_device(admitted, 0, Some(text))
                }
                ("VERIFY", "INVALID_CODE", State::Verifying { attempts, .. }) => {
                    *attempts += 1;
                    if *attempts >= MAX_ATTEMPTS {
                        return Some(self.fail(text));
                    }
                    vec![Action::Notify(text), self.ask_code()]
                }
                ("REGISTER", _, State::Registering { .. })
                | ("VERIFY", _, State::Verifying { .. }) => self.fail(text),
                // A numeric follows that says whether the exchange has failed.
                ("AUTHENTICATE", ..) => vec![Action::Notify(text)],
                // The server requires the sign-in that is under way.
                ("*", "ACCOUNT_REQUIRED", _) => Vec::new(),
                _ => return None,
            },
        )
    }

    /// Handles the failure of a SASL exchange.
    fn handle_sasl_failure(&mut self, message: &Message) -> Vec<Action> {
        let text = text_of(message);
        match &mut self.state {
            State::Plain { fallback } => match fallback.take() {
                Some(credential) => {
                    self.account.credential = credential;
                    let mut actions = vec![Action::Notify(format!(
                        "The server no longer accepts this device's credential: {text}"
                    ))];
                    actions.extend(self.end_negotiation_and_register());
                    actions
                }
                None => self.fail(format!(
                    "the server no longer accepts this device's credential ({text}): run `rook` in \
                     a terminal to sign in again"
                )),
            },
            State::AddingDevice {
                admitted,
                attempts,
                step: MailStep::Code,
                ..
            } => {
                let (admitted, attempts) = (*admitted, *attempts + 1);
                if attempts >= MAX_ATTEMPTS {
                    return self.fail(text);
                }
                let mut actions = vec![Action::Notify(text)];
                actions.extend(self.add_device(admitted, attempts, None));
                actions
            }
            State::AddingDevice { exists, .. } => match exists.take() {
                Some(exists) => self.fail(format!("{exists} ({text})")),
                None => self.fail(text),
            },
            _ => Vec::new(),
        }
    }

    /// Handles the success of the authentication, which the server may report in several ways.
    fn handle_success(&mut self) -> Vec<Action> {
        let mut actions = match self.state {
            State::Plain { .. } => vec![send("CAP", &["END"])],
            State::Registering { .. } | State::Verifying { .. } | State::AddingDevice { .. } => {
                vec![Action::Store(self.account.clone())]
            }
            State::Negotiating { .. } | State::Authenticated | State::Finished => {
                return Vec::new();
            }
        };
        if self.state.is_admitted() {
            self.state = State::Finished;
            actions.push(Action::Done);
        } else {
            self.state = State::Authenticated;
        }
        actions
    }

    fn handle_welcome(&mut self) -> Vec<Action> {
        match &mut self.state {
            State::Authenticated => {
                self.state = State::Finished;
                return vec![Action::Done];
            }
            State::Registering { admitted }
            | State::Verifying { admitted, .. }
            | State::AddingDevice { admitted, .. } => *admitted = true,
            State::Negotiating { .. } | State::Plain { .. } | State::Finished => {}
        }
        Vec::new()
    }

    /// Handles a refused nick before the user is admitted. After the authentication, the server
    /// assigns the account's nick if it can, so a refusal is final.
    fn handle_nick_refusal(&mut self, message: &Message) -> Vec<Action> {
        let is_authenticated = matches!(self.state, State::Authenticated);
        let is_taken = message.command != numeric::ERR_ERRONEUSNICKNAME;
        if is_taken && !is_authenticated {
            return vec![send("NICK", &[self.temporary_nick.as_str()])];
        }
        self.fail(text_of(message))
    }

    fn ask_code(&self) -> Action {
        let StoredAccount { name, email, .. } = &self.account;
        let adds_device = matches!(self.state, State::AddingDevice { .. });
        Action::AskCode {
            email: email.clone(),
            if_email_of: adds_device.then(|| name.clone()),
        }
    }

    fn fail(&mut self, reason: String) -> Vec<Action> {
        self.state = State::Finished;
        vec![Action::Fail(reason)]
    }
}

fn send(command: &str, params: &[&str]) -> Action {
    Action::Send(Message::new(command, params.iter().copied()))
}

/// Returns the text of a message for the user: its last parameter.
fn text_of(message: &Message) -> String {
    let text = message
        .params
        .last()
        .map(String::as_str)
        .unwrap_or_default();
    text.strip_prefix(SASL_FAILED).unwrap_or(text).to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
