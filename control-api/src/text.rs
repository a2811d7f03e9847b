//! The kinds of text in requests and replies, each declared once for the OpenAPI document.
//!
//! The types of this module have no values: a field names one with `value_type`. A pattern is exact
//! for ASCII. Of other characters, the rules for names (PRECIS, RFC 8265) permit only some, which
//! no pattern can say; and a length is described in characters, but checked in bytes of UTF-8.

use utoipa::openapi::schema::{AnyOfBuilder, KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! text {
    ($(#[doc = $doc:literal])+ $name:ident: $($keyword:ident($value:expr)),+ $(,)?) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some(concat!($($doc),+).trim()))
                    $(.$keyword(Some($value)))+
                    .into()
            }
        }

        impl ToSchema for $name {}
    };
}

/// Concatenates the parts of a pattern.
macro_rules! pattern {
    ($($part:expr),+ $(,)?) => {
        [$($part),+].concat()
    };
}

/// A name, whose first character is restricted.
const NAME: &str = concat!(
    r##"[^\x00-\x20\x7f-\x9f"#$%&*+,./0-9:<>?@!~-]"##,
    r##"[^\x00-\x20\x7f-\x9f"#*,./:<>?@!]{0,31}$"##,
);
/// A character of the part of an email before the `@`, other than a dot.
const LOCAL: &str = r#"[^\x00-\x20\x7f-\x9f"(),.:;<>@\[\\\]]"#;
/// The label of a domain.
const LABEL: &str =
    r"[^\x00-/:-@\[-`{-\x9f]([^\x00-,./:-@\[-`{-\x9f]{0,61}[^\x00-/:-@\[-`{-\x9f])?";
/// A group of an IPv6 address.
const GROUP: &str = "[0-9A-Fa-f]{1,4}";
/// A byte of an IPv4 address.
const BYTE: &str = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";

text! {
    /// The name of an account, a nick or an admin.
    Name:
    min_length(1),
    max_length(32),
    pattern(pattern!("^", NAME)),
}

text! {
    /// The position of a user in a list: a nick, after a key if the list is not sorted by name.
    UserPosition:
    pattern(pattern!("^([0-9a-f]{16,32}~)?", NAME)),
}

text! {
    /// The name of a channel, with its `#`.
    Channel:
    min_length(2),
    max_length(64),
    pattern(r"^#[^\x00-\x20\x7f-\x9f*,:?]+$"),
}

text! {
    /// An email address.
    Email:
    min_length(3),
    max_length(254),
    format(SchemaFormat::Custom("idn-email".to_owned())),
    pattern(pattern!(
        "^", LOCAL, r"{1,32}(\.", LOCAL, r"{1,31})*@", LABEL, r"(\.", LABEL, ")*$"
    )),
}

text! {
    /// One line without control characters, which users see.
    Line:
    max_length(crate::MAX_REASON),
    pattern(r"^[^\x00-\x1f\x7f-\x9f]*$"),
}

text! {
    /// One line without control characters, which is not blank.
    Announcement:
    min_length(1),
    max_length(crate::MAX_ANNOUNCEMENT),
    pattern(concat!(
        r"^[^\x00-\x1f\x7f-\x9f]*", r"[^\s\x00-\x1f\x7f-\x9f]", r"[^\x00-\x1f\x7f-\x9f]*$"
    )),
}

text! {
    /// A duration: a whole number and a unit, such as `90s`, `15m`, `12h`, `7d` or `2w`. At most a
    /// hundred years.
    Duration:
    pattern("^0*[1-9][0-9]*[smhdw]$"),
}

text! {
    /// A time, in the format of RFC 3339.
    Time:
    format(SchemaFormat::KnownFormat(KnownFormat::DateTime)),
}

/// A target of bans and kicks.
#[derive(Clone, Copy, Debug)]
pub struct Target;

impl PartialSchema for Target {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let format = |format| text().format(Some(SchemaFormat::KnownFormat(format)));
        let email_pattern = pattern!(
            "^(",
            LOCAL,
            r"|[.])+@[a-z0-9-]*[*?][a-z0-9*?-]*(\.[a-z0-9*?]+)*$"
        );
        let ipv4_network = pattern!("^(", BYTE, r"\.){3}", BYTE, "/(3[0-2]|[12]?[0-9])$");
        AnyOfBuilder::new()
            .description(Some(
                "The name of an account, an email, a pattern of emails (`*@spam.example`), an IP \
                 address, or a network (`192.0.2.0/24`).",
            ))
            .item(Name::schema())
            .item(Email::schema())
            .item(text().max_length(Some(254)).pattern(Some(email_pattern)))
            .item(format(KnownFormat::Ipv4))
            .item(format(KnownFormat::Ipv6))
            .item(text().pattern(Some(ipv4_network)))
            .item(text().pattern(Some(ipv6_network())))
            .into()
    }
}

impl ToSchema for Target {}

/// Returns the pattern of an IPv6 network, whose address may leave out one run of zeros.
fn ipv6_network() -> String {
    let mut forms = vec![
        format!("({GROUP}:){{7}}{GROUP}"),
        format!("({GROUP}:){{1,7}}:"),
        format!(":((:{GROUP}){{1,7}}|:)"),
    ];
    forms.extend((1..7).map(|end| format!("({GROUP}:){{1,{}}}(:{GROUP}){{1,{end}}}", 7 - end)));
    format!("^({})/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$", forms.join("|"))
}
