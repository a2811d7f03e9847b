//! The users who are online: lists them, and returns one.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Json;
use rookery_control_api::{OnlineSession, OnlineUser, UserList, UserOrder, UserReply, text};
use rookery_protocol::{ChannelName, Nick, composed};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::targets;
use crate::auth::operator::{Operator, SignedIn, role_of};
use crate::auth::permission::Auditor;
use crate::http::extract::{PathParams, QueryParams};
use crate::http::pages::{Page, PageOptions};
use crate::http::problem::{Kind, Refusal, response};
use crate::plane::ControlPlane;
use rookery_chat::request::{FindCovered, FindUser, ListUsers, UserView};
use rookery_record::BanTarget;

/// The maximum number of characters of a search: an email fits.
const MAX_SEARCH: usize = 254;

/// Returns the routes of the users.
pub fn routes() -> OpenApiRouter<Arc<ControlPlane>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(show))
}

/// The query of `GET /v1/users`.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UserOptions {
    /// Only users in this channel.
    #[param(inline, value_type = Option<text::Channel>)]
    channel: Option<String>,
    /// Only users that a ban of this target would affect, with the sessions that it would end. The
    /// target is an account name, an email, an email pattern, an IP address or a network.
    #[serde(rename = "match")]
    #[param(inline, value_type = Option<text::Target>)]
    target: Option<String>,
    /// Only users with this text in their nick, email, an address, or a client's user name or real
    /// name, in any letter case.
    #[param(max_length = 254)]
    search: Option<String>,
    /// Only guests (`true`), or only users with an account (`false`).
    guests: Option<bool>,
    /// The order; by name by default.
    #[param(inline)]
    sort: Option<UserOrder>,
    /// Reverses the order.
    reverse: Option<bool>,
    /// Begins after this user: the `next` of the previous page, in the same order.
    #[param(inline, value_type = Option<text::UserPosition>)]
    after: Option<String>,
    /// The maximum number of users; 100 by default.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
}

/// Lists the users who are online
///
/// A repeated request is recorded in the audit trail once a minute.
#[utoipa::path(
    get, path = "/v1/users", tag = "users", params(UserOptions),
    security(("token" = [role_of(list)])),
    responses((status = 200, description = "One page of the users", body = UserList))
)]
async fn list(
    operator: SignedIn<Auditor>,
    query: Result<QueryParams<UserOptions>, Refusal>,
) -> Result<Json<UserList>, Refusal> {
    let mut act = operator.act("users", "");
    let query = operator
        .audited(&mut act, async |act| {
            let QueryParams(options) = query?;
            let filters = [&options.target, &options.channel, &options.search];
            act.target = filters
                .into_iter()
                .flatten()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(" ");
            Query::parse(options)
        })
        .await?;
    operator.allow_view(&act, "").await?;
    let users = match &query.target {
        Some(target) => {
            let find = FindCovered {
                target: target.clone(),
                account_email: targets::account_email(&operator, target).await?,
            };
            operator.plane.request(find).await?
        }
        None => operator.plane.request(ListUsers).await?,
    };
    Ok(Json(query.page(users)))
}

/// Returns one user who is online
#[utoipa::path(
    get, path = "/v1/users/{name}", tag = "users", security(("token" = [role_of(show)])),
    params(("name" = String, Path, description = "The user's nick")),
    responses(
        (status = 200, description = "The user, with all sessions", body = UserReply),
        response::NotOnline,
    )
)]
async fn show(
    operator: SignedIn<Auditor>,
    name: Result<PathParams<String>, Refusal>,
) -> Result<Json<UserReply>, Refusal> {
    let mut act = operator.act("user", "");
    let user = operator
        .audited(&mut act, async |act| {
            let PathParams(name) = name?;
            act.target.clone_from(&name);
            existing(&operator, &name).await
        })
        .await?;
    operator.allow_view(&act, "").await?;
    Ok(Json(UserReply {
        user: to_online_user(user),
    }))
}

/// Returns the online user with a nick.
pub async fn existing(operator: &Operator, name: &str) -> Result<UserView, Refusal> {
    let not_online = || Kind::NotOnline.with_detail(format!("No user {name} is online."));
    let nick = Nick::parse(name).map_err(|_| not_online())?;
    let found = operator.plane.request(FindUser(nick)).await?;
    found.ok_or_else(not_online)
}

/// The parsed query.
struct Query {
    channel: Option<ChannelName>,
    target: Option<BanTarget>,
    /// In lower case.
    search: String,
    guests: Option<bool>,
    order: UserOrder,
    reverse: bool,
    page: Page<Position>,
}

/// The position of a user in an order. Users with equal keys are ordered by nick.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    /// Hexadecimal digits, of the same number for all users in one order; empty in the order by
    /// name.
    key: String,
    nick: Nick,
}

impl Query {
    fn parse(options: UserOptions) -> Result<Self, Refusal> {
        let bad = |detail: String| Kind::BadRequest.with_detail(detail);
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
        let channel = channel.as_deref().map(ChannelName::parse).transpose();
        let channel = channel.map_err(|error| bad(format!("`channel`: {error}.")))?;
        let target = target.as_deref().map(BanTarget::parse).transpose();
        let target = target.map_err(|error| bad(format!("`match` is {error}.")))?;
        let search = search.unwrap_or_default();
        if search.chars().count() > MAX_SEARCH {
            let detail = format!("`search` may have up to {MAX_SEARCH} characters.");
            return Err(bad(detail));
        }
        let search = search.to_lowercase();
        let order = sort.unwrap_or_default();
        let page = PageOptions { after, limit };
        Ok(Self {
            channel,
            target,
            search,
            guests,
            order,
            reverse: reverse.unwrap_or_default(),
            page: page.page_by(|after| Position::parse(order, after))?,
        })
    }

    fn page(self, users: Vec<UserView>) -> UserList {
        let mut found: Vec<(Position, UserView)> = users
            .into_iter()
            .filter(|user| self.matches(user))
            .map(|user| (Position::of(self.order, &user), user))
            .collect();
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        let total = found.len();
        let (users, next) = if self.reverse {
            found.reverse();
            let page = self.page.reversed();
            let (users, next) = page.cut(found, |(position, _)| Reverse(position.clone()));
            (users, next.map(|Reverse(position)| position))
        } else {
            self.page.cut(found, |(position, _)| position.clone())
        };
        UserList {
            users: users
                .into_iter()
                .map(|(_, user)| to_online_user(user))
                .collect(),
            total,
            next: next.map(|position| position.to_text()),
        }
    }

    fn matches(&self, user: &UserView) -> bool {
        let has = |text: &str| composed(text).to_lowercase().contains(&self.search);
        let matches_search = self.search.is_empty()
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
        matches_search
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
        let time = |at: jiff::Timestamp| format!("{:016x}", at.as_microsecond().max(0));
        let key = match order {
            UserOrder::Name => String::new(),
            UserOrder::Since => time(user.since),
            UserOrder::Idle => time(user.active_at),
            UserOrder::Sessions => format!("{:016x}", u64::MAX - user.sessions.len() as u64),
            // Addresses are ordered as numbers. A user without a session comes first.
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

    /// Returns the position as the `next` of a page.
    fn to_text(&self) -> String {
        let Self { key, nick } = self;
        if key.is_empty() {
            nick.to_string()
        } else {
            format!("{key}~{nick}")
        }
    }

    fn parse(order: UserOrder, text: &str) -> Option<Self> {
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

/// Returns a user in the form of the API.
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
