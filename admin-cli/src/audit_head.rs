//! Remembers the newest entry of a server's audit trail, and checks later that it is still there.
//!
//! The chain of hashes shows that an entry was changed or removed in the middle of the trail, but
//! not that its newest entries were cut off. The entry that this computer has seen does. It is
//! stored as the server has signed it, so it also proves to others what the server had.

use std::path::Path;

use rookery_control_api::{AuditHeadReply, SignedHead};

use crate::client::{Client, Query};
use crate::context::Context;
use crate::failure::Failure;
use crate::render;

/// Checks the trail, and prints a warning if the newest entry seen so far is no longer in it, or if
/// that cannot be checked.
pub fn warn(client: &Client, context: &Context<'_>) {
    match check(client, context) {
        Ok(None) => {}
        Ok(Some(warning)) => render::notice(&warning),
        Err(failure) => render::notice(&format!(
            "The newest entry of the audit trail cannot be checked: {failure}"
        )),
    }
}

/// Checks the trail, and stores its newest entry. Returns a warning instead if the newest entry
/// seen so far is no longer in it, or cannot be read. Prints a notice if it was archived.
pub fn check(client: &Client, context: &Context<'_>) -> Result<Option<String>, Failure> {
    let known = match context.store.load_head() {
        Ok(known) => known,
        Err(failure) => {
            return Ok(Some(format!(
                "WARNING: the newest entry of the audit trail of {} that this computer has seen \
                 cannot be read: {failure}.\nSo nothing shows whether entries were cut off since. \
                 Restore the file from a backup. If you know the cause, you can delete it instead: \
                 the next command then stores the entry that is the newest by then.",
                client.server()
            )));
        }
    };
    let query = Query::new("/v1/audit/head").maybe("known", known.as_ref().map(|known| known.id));
    let reply: AuditHeadReply = client.get(&query)?.value;
    if let Some(fault) = contradiction(known.as_ref(), &reply) {
        let file = context.store.head_file();
        let (server, file) = (client.server(), file.display());
        return Ok(Some(format!(
            "WARNING: the audit trail of {server} was changed. {fault}\nEntries were removed or \
             changed, or an older backup was restored. The earlier entry, signed by the server, is \
             in {file}: on the server, `rookeryd audit verify --signed-head FILE` checks it. If \
             you know the cause, delete that file to end this warning."
        )));
    }
    if let Some(head) = reply.head {
        if let Some(known) = known.filter(|known| is_archived(known, &head)) {
            let file = context.store.save_archived_head(&known)?;
            render::notice(&unproven(&known, &file));
        }
        context.store.save_head(&head)?;
    }
    Ok(None)
}

/// Whether the known entry is older than the newest archived one, so that only the archive has it.
fn is_archived(known: &SignedHead, newest: &SignedHead) -> bool {
    let archived = newest.archived.as_ref();
    archived.is_some_and(|archived| archived.id > known.id)
}

/// Returns the notice for an entry that only an archive has.
fn unproven(known: &SignedHead, file: &Path) -> String {
    format!(
        "The newest entry of the audit trail that this computer knew was archived since:\n{}\nOnly \
         the archive can prove that it was not changed. The entry, signed by the server, is in {}: \
         `rookeryd audit verify ARCHIVE... --signed-head FILE` checks the archives against it.",
        known.head(),
        file.display()
    )
}

/// Returns what the reply contradicts.
fn contradiction(known: Option<&SignedHead>, reply: &AuditHeadReply) -> Option<String> {
    let newest = reply.head.as_ref();
    if newest.is_some_and(|newest| !newest.is_genuine()) {
        return Some("The signature of its newest entry is wrong.".to_owned());
    }
    let known = known?;
    let (before, id) = (known.head(), known.id);
    let before = format!("At {:.0}, its newest entry was\n{before}\n", known.at);
    let Some(newest) = newest else {
        return Some(format!("{before}Now it is empty."));
    };
    if newest.id < id {
        return Some(format!("{before}Now it ends with\n{}", newest.head()));
    }
    if is_archived(known, newest) {
        return other_key(known, newest);
    }
    let hash = match &newest.archived {
        Some(archived) if archived.id == id => Some(&archived.hash),
        _ => reply.known_hash.as_ref(),
    };
    let signed = newest;
    let newest = newest.head();
    match hash {
        None => Some(format!(
            "{before}Now this entry is missing, and the newest is\n{newest}"
        )),
        Some(hash) if *hash != known.hash => Some(format!(
            "{before}Now this entry is\n{id}:{hash}\nand the newest is\n{newest}"
        )),
        Some(_) => other_key(known, signed),
    }
}

fn other_key(known: &SignedHead, newest: &SignedHead) -> Option<String> {
    (newest.key != known.key).then(|| {
        format!(
            "Its newest entry was signed with the key\n{}\nand now it is signed with\n{}",
            known.key, newest.key
        )
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use jiff::Timestamp;
    use rookery_control_api::ChainHead;

    use super::*;

    fn head(id: i64, byte: u8) -> ChainHead {
        ChainHead {
            id,
            hash: hex(&[byte; 32]),
        }
    }

    fn hex(bytes: &[u8]) -> String {
        let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        digits.concat()
    }

    fn sign(key: &Ed25519KeyPair, head: ChainHead, archived: Option<ChainHead>) -> SignedHead {
        let at = Timestamp::UNIX_EPOCH;
        let content = SignedHead::content(&head, archived.as_ref(), at);
        let signature = key.sign(content.as_bytes());
        SignedHead {
            id: head.id,
            hash: head.hash,
            archived,
            at,
            key: hex(key.public_key().as_ref()),
            signature: hex(signature.as_ref()),
        }
    }

    #[test]
    fn entries_that_were_cut_off_or_rewritten_are_named_with_what_is_there_now() {
        let (key, other) = (
            Ed25519KeyPair::generate().unwrap(),
            Ed25519KeyPair::generate().unwrap(),
        );
        let known = sign(&key, head(7, 1), None);
        let reply = |newest, known: Option<u8>| AuditHeadReply {
            head: newest,
            known_hash: known.map(|byte| head(7, byte).hash),
        };
        let newest = |id| Some(sign(&key, head(id, 2), None));
        let archiving = |archived| Some(sign(&key, head(9, 2), Some(archived)));
        for (case, reply, expected) in [
            ("intact", reply(newest(9), Some(1)), None),
            ("archived", reply(archiving(head(8, 3)), None), None),
            (
                "the newest archived",
                reply(archiving(head(7, 1)), None),
                None,
            ),
            ("empty", reply(None, None), Some(String::new())),
            (
                "cut off",
                reply(newest(6), None),
                Some(head(6, 2).to_string()),
            ),
            (
                "missing",
                reply(newest(9), None),
                Some(head(9, 2).to_string()),
            ),
            (
                "rewritten",
                reply(newest(9), Some(3)),
                Some(head(7, 3).to_string()),
            ),
            (
                "rewritten, then archived",
                reply(archiving(head(7, 3)), None),
                Some(head(7, 3).to_string()),
            ),
        ] {
            let warning = contradiction(Some(&known), &reply);
            assert_eq!(warning.is_some(), expected.is_some(), "{case}: {warning:?}");
            if let Some((warning, expected)) = warning.zip(expected) {
                assert!(
                    warning.contains(&known.head().to_string()),
                    "{case}: {warning}"
                );
                assert!(warning.contains(&expected), "{case}: {warning}");
            }
        }
        let by_other = reply(Some(sign(&other, head(9, 2), None)), Some(1));
        let warning = contradiction(Some(&known), &by_other).unwrap();
        assert!(warning.contains(&known.key), "{warning}");
        let mut forged = newest(9).unwrap();
        forged.id = 10;
        let forged = reply(Some(forged), Some(1));
        assert!(contradiction(None, &forged).is_some());
        let mut claimed = newest(9).unwrap();
        claimed.archived = Some(head(8, 3));
        let claimed = reply(Some(claimed), None);
        let warning = contradiction(Some(&known), &claimed).unwrap();
        assert!(
            warning.contains("signature"),
            "archived only in a claim: {warning}"
        );
        assert!(contradiction(None, &by_other).is_none(), "nothing is known");
    }
}
