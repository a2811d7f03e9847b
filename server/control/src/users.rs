//! Who is online: the list, and one user in full.

use axum::Json;
use rookery_control_api::{OnlineSession, OnlineUser, Problem, UserList, UserOrder, UserReply};
use rookery_protocol::{ChannelName, Nick};
use serde::Deserialize;

use super::extract::{Options, Segment};
use super::permission::{Auditor, Signed};
use super::problem::{Kind, Refusal};
use super::sessions::Operator;
use super::unexpected;
use rookery_chat::event::{Act, Answer, UserView};
use rookery_record::BanTarget;

/// Users on a page when it is not told how many.
const DEFAULT_LIMIT: u16 = 100;
/// The most on a page.
const MAX_LIMIT: u16 = 1000;
/// The most characters that are searched for: an email fits.
const LONGEST_SEARCH: usize = 254;

/// What `GET /v1/users` may be told.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UserOptions {
    /// Only those in this channel.
    channel: Option<String>,
    /// Only those whom a ban of this target would end, with the sessions that would end: an
    /// account's name, an email, a pattern of emails, an IP address, or a network.
    #[serde(rename = "match")]
    target: Option<String>,
    /// Only those with this in their nick, their email, an address, or what a client says of
    /// itself; letter case is of no matter.
    #[param(max_length = 254)]
    search: Option<String>,
    /// Only guests, or only those who are none.
    guests: Option<bool>,
    /// In which order; by name when left out.
    #[param(inline)]
    sort: Option<UserOrder>,
    /// The other way round.
    reverse: Option<bool>,
    /// Begins after this user: the `next` of the page before, in the same order.
    after: Option<String>,
    /// How many users at most; 100 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
}

/// Who is online
#[utoipa::path(
    get, path = "/v1/users", tag = "users", params(UserOptions), security(("token" = ["auditor"])),
    responses((status = 200, description = "One page of the users", body = UserList))
)]
pub async fn list(
    operator: Signed<Auditor>,
    options: Result<Options<UserOptions>, Refusal>,
) -> Result<Json<UserList>, Refusal> {
    let mut step = operator.step("users", "");
    let asked = options.and_then(|Options(options)| {
        let given = [&options.target, &options.channel, &options.search];
        step.target = given
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ");
        Query::read(options)
    });
    let query = match asked {
        Ok(query) => query,
        Err(refusal) => return Err(operator.refuse(&step, refusal).await),
    };
    operator.look(&step).await?;
    let act = query
        .target
        .clone()
        .map_or(Act::ListUsers, Act::FindCovered);
    let users = find(&operator, act).await?;
    Ok(Json(query.page(users)))
}

/// One user who is online
#[utoipa::path(
    get, path = "/v1/users/{name}", tag = "users", security(("token" = ["auditor"])),
    params(("name" = String, Path, description = "The user's nick")),
    responses(
        (status = 200, description = "The user, with all sessions", body = UserReply),
        (status = 404, description = "Nobody of that name is online", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn show(
    operator: Signed<Auditor>,
    name: Result<Segment<String>, Refusal>,
) -> Result<Json<UserReply>, Refusal> {
    let mut step = operator.step("user", "");
    let asked = async {
        let Segment(name) = name?;
        step.target.clone_from(&name);
        existing(&operator, &name).await
    };
    match asked.await {
        Ok(user) => {
            operator.allow(&step, "").await?;
            Ok(Json(UserReply {
                user: to_online_user(user),
            }))
        }
        Err(refusal) => Err(operator.refuse(&step, refusal).await),
    }
}

/// The user of that nick.
pub async fn existing(operator: &Operator, name: &str) -> Result<UserView, Refusal> {
    let nobody = || Kind::NotOnline.with_detail(format!("Nobody is online as {name}."));
    let nick = Nick::parse(name).map_err(|_| nobody())?;
    find(operator, Act::FindUser(nick))
        .await?
        .pop()
        .ok_or_else(nobody)
}

/// The users that an act gives.
pub async fn find(operator: &Operator, act: Act) -> Result<Vec<UserView>, Refusal> {
    match operator.plane.act(act).await? {
        Answer::Users(users) => Ok(users),
        other => Err(unexpected(&other)),
    }
}

/// Which users are asked for, and in which order.
struct Query {
    channel: Option<ChannelName>,
    target: Option<BanTarget>,
    /// In small letters.
    search: String,
    guests: Option<bool>,
    order: UserOrder,
    reverse: bool,
    after: Option<Position>,
    limit: usize,
}

/// Where a user stands in an order. Those whose key is the same stand by nick.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    /// Hexadecimal digits, always as many for one order; none in the order by name.
    key: String,
    nick: Nick,
}

impl Query {
    fn read(options: UserOptions) -> Result<Self, Refusal> {
        let UserOptions {
            channel,
            target,
            search,
            guests,
            sort,
            reverse,
            after,
            limit,
        } = options;
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(
                Kind::BadRequest.with_detail(format!("`limit` is between 1 and {MAX_LIMIT}."))
            );
        }
        let channel = channel.as_deref().map(ChannelName::parse).transpose();
        let channel = channel
            .map_err(|error| Kind::BadRequest.with_detail(format!("`channel`: {error}.")))?;
        let target = target.as_deref().map(BanTarget::parse).transpose();
        let target =
            target.map_err(|error| Kind::BadRequest.with_detail(format!("`match` is {error}.")))?;
        let search = search.unwrap_or_default().to_lowercase();
        if search.chars().count() > LONGEST_SEARCH {
            return Err(Kind::BadRequest.with_detail(format!(
                "`search` may have up to {LONGEST_SEARCH} characters."
            )));
        }
        let order = sort.unwrap_or_default();
        let after = after.map(|after| {
            Position::read(order, &after).ok_or_else(|| {
                Kind::BadRequest
                    .with_detail("`after` is the `next` of another page in the same order.")
            })
        });
        Ok(Self {
            channel,
            target,
            search,
            guests,
            order,
            reverse: reverse.unwrap_or_default(),
            after: after.transpose()?,
            limit: limit.into(),
        })
    }

    fn page(&self, users: Vec<UserView>) -> UserList {
        let mut found: Vec<(Position, UserView)> = users
            .into_iter()
            .filter(|user| self.fits(user))
            .map(|user| (Position::of(self.order, &user), user))
            .collect();
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        if self.reverse {
            found.reverse();
        }
        let total = found.len();
        let is_before = |position: &Position| {
            self.after.as_ref().is_some_and(|after| {
                if self.reverse {
                    position >= after
                } else {
                    position <= after
                }
            })
        };
        let mut rest = found
            .into_iter()
            .skip_while(|(position, _)| is_before(position))
            .peekable();
        let page: Vec<(Position, UserView)> = rest.by_ref().take(self.limit).collect();
        let next = page
            .last()
            .filter(|_| rest.peek().is_some())
            .map(|(position, _)| position.to_text());
        UserList {
            users: page
                .into_iter()
                .map(|(_, user)| to_online_user(user))
                .collect(),
            total,
            next,
        }
    }

    fn fits(&self, user: &UserView) -> bool {
        let has = |text: &str| text.to_lowercase().contains(&self.search);
        let found = self.search.is_empty()
            || has(user.nick.as_str())
            || user
                .identity
                .as_ref()
                .and_then(|who| who.email.as_ref())
                .is_some_and(|email| has(email.as_str()))
            || user.sessions.iter().any(|session| {
                has(&session.address.to_string())
                    || has(&session.username)
                    || has(&session.realname)
            });
        found
            && self
                .channel
                .as_ref()
                .is_none_or(|channel| user.channels.contains(channel))
            && self
                .guests
                .is_none_or(|guests| user.identity.is_none() == guests)
    }
}

impl Position {
    fn of(order: UserOrder, user: &UserView) -> Self {
        let moment = |at: jiff::Timestamp| format!("{:016x}", at.as_microsecond().max(0));
        let key = match order {
            UserOrder::Name => String::new(),
            UserOrder::Since => moment(user.since),
            UserOrder::Idle => moment(user.active_at),
            UserOrder::Sessions => format!("{:016x}", u64::MAX - user.sessions.len() as u64),
            // As numbers; whoever has no session stands first.
            UserOrder::Address => {
                let addresses = user
                    .sessions
                    .iter()
                    .map(|session| session.address.ip().to_canonical());
                let first = addresses.min().map_or(0, |address| match address {
                    std::net::IpAddr::V4(address) => u128::from(address.to_bits()),
                    std::net::IpAddr::V6(address) => address.to_bits(),
                });
                format!("{first:032x}")
            }
        };
        Self {
            key,
            nick: user.nick.clone(),
        }
    }

    /// For the `next` of a page.
    fn to_text(&self) -> String {
        let Self { key, nick } = self;
        if key.is_empty() {
            nick.to_string()
        } else {
            format!("{key}~{nick}")
        }
    }

    fn read(order: UserOrder, text: &str) -> Option<Self> {
        let (key, nick) = if order == UserOrder::Name {
            ("", text)
        } else {
            text.split_once('~')?
        };
        Some(Self {
            key: key.to_owned(),
            nick: Nick::parse(nick).ok()?,
        })
    }
}

/// As it is answered.
pub fn to_online_user(user: UserView) -> OnlineUser {
    let account = user
        .identity
        .as_ref()
        .map(|identity| identity.name.to_string());
    let email = user
        .identity
        .and_then(|identity| identity.email)
        .map(|email| email.to_string());
    let sessions = user.sessions.into_iter().map(|session| OnlineSession {
        id: session.id.0,
        address: session.address.to_string(),
        tls: session.tls,
        since: session.since,
        username: session.username,
        realname: session.realname,
    });
    OnlineUser {
        nick: user.nick.to_string(),
        account,
        email,
        since: user.since,
        active_at: user.active_at,
        channels: user.channels.iter().map(ToString::to_string).collect(),
        sessions: sessions.collect(),
    }
}
