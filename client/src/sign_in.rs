//! Signing in, as a machine without I/O: the server's messages and the person's answers go in,
//! steps come out.
//!
//! With a credential kept on this device there are no questions (SASL `PLAIN`). Without one, or
//! when it is refused, the account is registered; if it exists already, this is a new device of it
//! (SASL `X-EMAIL-CODE`). Both prove the email with a mailed code. A person may take minutes over
//! their mail, so capability negotiation, for which servers have little patience, is ended before
//! the code is asked for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rookery_protocol::{
    AccountName, Capabilities, Capability, DeviceCredential, Email, Message, Nick, numeric,
};

use crate::state::StoredAccount;

/// Without these, it is not a server that `rook` can talk to.
const NEEDED: Capabilities = Capabilities::of(&[
    Capability::Batch,
    Capability::EchoMessage,
    Capability::LabeledResponse,
    Capability::MessageTags,
    Capability::Sasl,
]);
/// Taken where they are offered.
const WELCOME: Capabilities = Capabilities::of(&[
    Capability::AccountRegistration,
    Capability::AccountTag,
    Capability::Chathistory,
    Capability::MessageRedaction,
    Capability::MultiPrefix,
    Capability::ReadMarker,
    Capability::ServerTime,
    Capability::StandardReplies,
]);
/// Codes a person may get wrong before we give up; the server's own limit is the same.
const TRIES: u8 = 5;
const CODE_DIGITS: usize = 6;
/// Begins the words of numeric 904, and tells a person nothing.
const SASL_FAILED: &str = "SASL authentication failed: ";
const MAIL_MECHANISM: &str = "X-EMAIL-CODE";

/// Who signs in, and how.
#[derive(Clone, Debug)]
pub enum Plan {
    /// With the credential of this device.
    StoredCredential {
        /// The account.
        account: StoredAccount,
        /// What to do when the credential is refused: start anew with this one, or (none) give up.
        fallback: Option<DeviceCredential>,
    },
    /// With the credential of this device, for one errand: others are not to see us come and go.
    Visit(StoredAccount),
    /// With a mailed code, which makes `account` good for the next time.
    MailedCode(StoredAccount),
}

/// What follows from a message or an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// To the server.
    Send(Message),
    /// To the person; the answer goes to [`SignIn::answer`].
    AskCode {
        /// Where the code was mailed.
        email: Email,
        /// The account that must have that email, or no mail was sent; the server does not tell.
        known_to: Option<AccountName>,
    },
    /// To the person, in the server's words or ours.
    Notify(String),
    /// To be kept for the next time.
    Store(StoredAccount),
    /// Signed in and admitted; nothing follows.
    Done,
    /// Not to be signed in; nothing follows.
    Fail(String),
}

/// One sign-in, on one connection.
#[derive(Debug)]
pub struct SignIn {
    plan: Plan,
    /// Taken when the nick is in use before it is known to be ours.
    temporary_nick: Nick,
    offered: Capabilities,
    mechanisms: Option<String>,
    negotiating: bool,
    stage: Stage,
    tries: u8,
    signed_in: bool,
    /// Admitted, if only as a guest.
    welcomed: bool,
    /// The name belongs to someone, in the server's words; until it is known whether they are us.
    taken: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// `CAP LS` and `CAP REQ`.
    Capabilities,
    /// `AUTHENTICATE PLAIN`: waiting for `+`, then for the verdict.
    Plain,
    /// `REGISTER` is sent.
    Register,
    /// The code of a registration is asked for or sent.
    Verify,
    /// `AUTHENTICATE X-EMAIL-CODE` is sent.
    MailStart,
    /// Name and email are sent: the code is on its way.
    MailCode,
    /// The code is asked for or sent.
    MailVerdict,
    /// Nothing left but to be admitted.
    Admission,
    /// Over, either way.
    Finished,
}

impl SignIn {
    /// Begins. The steps are to be taken at once.
    pub fn start(plan: Plan, temporary_nick: Nick) -> (Self, Vec<Step>) {
        let sign_in = Self {
            plan,
            temporary_nick,
            offered: Capabilities::NONE,
            mechanisms: None,
            negotiating: true,
            stage: Stage::Capabilities,
            tries: 0,
            signed_in: false,
            welcomed: false,
            taken: None,
        };
        let name = sign_in.account().name.as_str();
        let steps = vec![
            send("CAP", &["LS", "302"]),
            send("NICK", &[name]),
            send("USER", &["rook", "0", "*", name]),
        ];
        (sign_in, steps)
    }

    /// Takes a message. `None`: it is not about signing in.
    pub fn take(&mut self, message: &Message) -> Option<Vec<Step>> {
        Some(match message.command.as_str() {
            "CAP" => self.take_capability(message),
            "AUTHENTICATE" => self.take_challenge(message),
            "REGISTER" => self.take_register(message),
            "VERIFY" => match message.param(0) {
                Some("SUCCESS") => self.prove(),
                _ => Vec::new(),
            },
            "FAIL" => self.take_failure(message)?,
            // What the server says to strangers in general, on their way in, is said to people who
            // have to type their commands themselves. Once a mail is on its way it is about that.
            "NOTE" | "WARN" | "NOTICE" => {
                let waiting = matches!(
                    self.stage,
                    Stage::Verify | Stage::MailCode | Stage::MailVerdict
                );
                if waiting {
                    vec![Step::Notify(words(message))]
                } else {
                    Vec::new()
                }
            }
            // The last one is our own doing, when we start over.
            numeric::RPL_LOGGEDIN
            | numeric::RPL_LOGGEDOUT
            | numeric::RPL_SASLMECHS
            | numeric::ERR_SASLABORTED => Vec::new(),
            numeric::RPL_SASLSUCCESS => self.prove(),
            numeric::ERR_SASLFAIL | numeric::ERR_NICKLOCKED | numeric::ERR_SASLTOOLONG => {
                self.take_refusal(message)
            }
            numeric::ERR_NICKNAMEINUSE if !self.welcomed && !self.signed_in => {
                vec![send("NICK", &[self.temporary_nick.as_str()])]
            }
            numeric::RPL_WELCOME => {
                self.welcomed = true;
                self.finish()
            }
            numeric::ERR_NICKNAMEINUSE | numeric::ERR_ERRONEUSNICKNAME if !self.welcomed => {
                self.fail(words(message))
            }
            _ => return None,
        })
    }

    /// Takes the person's answer to [`Step::AskCode`].
    pub fn answer(&mut self, code: &str) -> Vec<Step> {
        let code = code.trim();
        // Each try counts; what is no code at all does not cost one.
        if code.len() != CODE_DIGITS || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return vec![
                Step::Notify(format!("The code is the {CODE_DIGITS} digits in the mail.")),
                self.ask(),
            ];
        }
        let account = self.account();
        match self.stage {
            Stage::Verify => vec![send("VERIFY", &[account.name.as_str(), code])],
            Stage::MailVerdict => {
                let response = BASE64.encode(format!("{code}\0{}", account.credential.expose()));
                vec![send("AUTHENTICATE", &[&response])]
            }
            _ => Vec::new(),
        }
    }

    /// Starts over as `account`: the person has mended their name or email, or wants another mail.
    pub fn restart(&mut self, account: StoredAccount) -> Vec<Step> {
        let mut steps = Vec::new();
        if matches!(
            self.stage,
            Stage::MailStart | Stage::MailCode | Stage::MailVerdict
        ) {
            steps.push(send("AUTHENTICATE", &["*"]));
        }
        if self.account().name != account.name && !self.welcomed {
            steps.push(send("NICK", &[account.name.as_str()]));
        }
        (self.plan, self.tries, self.taken) = (Plan::MailedCode(account), 0, None);
        steps.extend(self.register());
        steps
    }

    fn account(&self) -> &StoredAccount {
        match &self.plan {
            Plan::StoredCredential { account, .. }
            | Plan::Visit(account)
            | Plan::MailedCode(account) => account,
        }
    }

    fn take_capability(&mut self, message: &Message) -> Vec<Step> {
        let list = message
            .params
            .last()
            .map(String::as_str)
            .unwrap_or_default();
        match message.param(1) {
            Some("LS") if self.stage == Stage::Capabilities => {
                for item in list.split_ascii_whitespace() {
                    let (name, value) = item.split_once('=').unwrap_or((item, ""));
                    if let Some(capability) = Capability::from_name(name) {
                        self.offered.insert(capability);
                    }
                    if name == Capability::Sasl.name() && !value.is_empty() {
                        self.mechanisms = Some(value.to_owned());
                    }
                }
                // A star before the last parameter: the list goes on in the next message.
                if message.params.len() > 3 {
                    Vec::new()
                } else {
                    self.request()
                }
            }
            Some("ACK") if self.stage == Stage::Capabilities => self.begin(),
            Some("NAK") if self.stage == Stage::Capabilities => {
                self.fail(format!("the server refuses what rook needs: {list}"))
            }
            _ => Vec::new(),
        }
    }

    fn request(&mut self) -> Vec<Step> {
        let missing: Vec<&str> = NEEDED
            .iter()
            .filter(|needed| !self.offered.has(*needed))
            .map(Capability::name)
            .collect();
        if !missing.is_empty() {
            return self.fail(format!(
                "rook cannot talk to this server: it lacks {}",
                missing.join(", ")
            ));
        }
        let visits = matches!(self.plan, Plan::Visit(_));
        let wanted: Vec<&str> = self
            .offered
            .iter()
            .filter(|&one| {
                NEEDED.has(one) || WELCOME.has(one) || (visits && one == Capability::Visitor)
            })
            .map(Capability::name)
            .collect();
        vec![send("CAP", &["REQ", &wanted.join(" ")])]
    }

    fn begin(&mut self) -> Vec<Step> {
        match self.plan {
            Plan::StoredCredential { .. } | Plan::Visit(_) => {
                self.stage = Stage::Plain;
                vec![send("AUTHENTICATE", &["PLAIN"])]
            }
            Plan::MailedCode(_) => self.register(),
        }
    }

    fn register(&mut self) -> Vec<Step> {
        let mut steps = Vec::from_iter(self.end_negotiation());
        if !self.offered.has(Capability::AccountRegistration) {
            steps.extend(self.start_mail());
            return steps;
        }
        self.stage = Stage::Register;
        let StoredAccount {
            name,
            email,
            credential,
        } = self.account();
        steps.push(send(
            "REGISTER",
            &[name.as_str(), email.as_str(), credential.expose()],
        ));
        steps
    }

    fn start_mail(&mut self) -> Vec<Step> {
        let knows = |list: &String| list.split(',').any(|mechanism| mechanism == MAIL_MECHANISM);
        if !self.mechanisms.as_ref().is_none_or(knows) {
            return self.fail("the server mails no codes to sign in with".to_owned());
        }
        self.stage = Stage::MailStart;
        vec![send("AUTHENTICATE", &[MAIL_MECHANISM])]
    }

    fn take_challenge(&mut self, message: &Message) -> Vec<Step> {
        if message.param(0) != Some("+") {
            return Vec::new();
        }
        let StoredAccount {
            name,
            email,
            credential,
        } = self.account();
        // Name (32), email (254) or credential (69) with what stands between make less than the 400
        // characters after which SASL would want another message.
        match self.stage {
            Stage::Plain => {
                let response = BASE64.encode(format!("\0{name}\0{}", credential.expose()));
                vec![send("AUTHENTICATE", &[&response])]
            }
            Stage::MailStart => {
                let response = BASE64.encode(format!("{name}\0{email}"));
                self.stage = Stage::MailCode;
                vec![send("AUTHENTICATE", &[&response])]
            }
            Stage::MailCode => {
                let name = name.clone();
                self.stage = Stage::MailVerdict;
                let told = self.taken.take().map(|_| {
                    Step::Notify(format!(
                        "{name} is taken. If the account is yours, this device is new to it."
                    ))
                });
                told.into_iter().chain([self.ask()]).collect()
            }
            _ => Vec::new(),
        }
    }

    fn take_register(&mut self, message: &Message) -> Vec<Step> {
        match message.param(0) {
            Some("SUCCESS") => self.prove(),
            Some("VERIFICATION_REQUIRED") => {
                self.stage = Stage::Verify;
                vec![self.ask()]
            }
            _ => Vec::new(),
        }
    }

    /// `FAIL <command> <code> [context…] <words>`.
    fn take_failure(&mut self, message: &Message) -> Option<Vec<Step>> {
        let command = message.param(0)?;
        Some(match (command, message.param(1)?, self.stage) {
            ("REGISTER", "ACCOUNT_EXISTS", Stage::Register) => {
                self.taken = Some(words(message));
                self.start_mail()
            }
            ("VERIFY", "INVALID_CODE", Stage::Verify) => self.wrong_code(words(message)),
            ("REGISTER", _, Stage::Register) | ("VERIFY", _, Stage::Verify) => {
                self.fail(words(message))
            }
            // The numeric that follows says what it means for the exchange.
            ("AUTHENTICATE", ..) => vec![Step::Notify(words(message))],
            // That is why we are here.
            ("*", "ACCOUNT_REQUIRED", _) => Vec::new(),
            _ => return None,
        })
    }

    /// A SASL exchange has failed.
    fn take_refusal(&mut self, message: &Message) -> Vec<Step> {
        match (self.stage, &self.plan) {
            (Stage::Plain, Plan::StoredCredential { account, fallback: Some(fresh) }) => {
                let told = Step::Notify(format!(
                    "The server no longer takes the credential kept on this device: {}",
                    words(message)
                ));
                self.plan = Plan::MailedCode(StoredAccount { credential: fresh.clone(), ..account.clone() });
                let mut steps = vec![told];
                steps.extend(self.register());
                steps
            }
            (Stage::Plain, _) => self.fail(format!(
                "the server no longer takes the credential kept on this device ({}); run `rook` in a terminal to \
                 sign in anew",
                words(message)
            )),
            (Stage::MailVerdict, _) => {
                self.tries += 1;
                if self.tries >= TRIES {
                    return self.fail(words(message));
                }
                let mut steps = vec![Step::Notify(words(message))];
                steps.extend(self.start_mail());
                steps
            }
            (Stage::MailStart | Stage::MailCode, _) => match self.taken.take() {
                Some(taken) => self.fail(format!("{taken} ({})", words(message))),
                None => self.fail(words(message)),
            },
            _ => Vec::new(),
        }
    }

    fn wrong_code(&mut self, said: String) -> Vec<Step> {
        self.tries += 1;
        if self.tries >= TRIES {
            return self.fail(said);
        }
        vec![Step::Notify(said), self.ask()]
    }

    fn ask(&self) -> Step {
        let StoredAccount { name, email, .. } = self.account();
        let known_to = (self.stage == Stage::MailVerdict).then(|| name.clone());
        Step::AskCode {
            email: email.clone(),
            known_to,
        }
    }

    /// The server knows who we are.
    fn prove(&mut self) -> Vec<Step> {
        if self.signed_in || self.stage == Stage::Finished {
            return Vec::new();
        }
        self.signed_in = true;
        self.stage = Stage::Admission;
        let mut steps = Vec::new();
        if let Plan::MailedCode(account) = &self.plan {
            steps.push(Step::Store(account.clone()));
        }
        steps.extend(self.end_negotiation());
        steps.extend(self.finish());
        steps
    }

    fn end_negotiation(&mut self) -> Option<Step> {
        std::mem::take(&mut self.negotiating).then(|| send("CAP", &["END"]))
    }

    /// Done once both are true; a server that takes guests admits before it knows who we are.
    fn finish(&mut self) -> Vec<Step> {
        if !self.welcomed || self.stage != Stage::Admission {
            return Vec::new();
        }
        self.stage = Stage::Finished;
        vec![Step::Done]
    }

    fn fail(&mut self, why: String) -> Vec<Step> {
        self.stage = Stage::Finished;
        vec![Step::Fail(why)]
    }
}

fn send(command: &str, params: &[&str]) -> Step {
    Step::Send(Message::new(command, params.iter().copied()))
}

/// What a message says to people: its last parameter.
fn words(message: &Message) -> String {
    let words = message
        .params
        .last()
        .map(String::as_str)
        .unwrap_or_default();
    words.strip_prefix(SASL_FAILED).unwrap_or(words).to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
