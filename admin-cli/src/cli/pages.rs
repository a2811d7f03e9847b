//! Which page of a list.

use clap::Args;

/// Without these, the whole list is shown.
#[derive(Debug, Default, Args)]
pub struct PageOptions {
    /// Begin after this entry, as the page before says
    #[arg(long, value_name = "NEXT")]
    pub after: Option<String>,
    /// Only one page, with so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: Option<u16>,
}
