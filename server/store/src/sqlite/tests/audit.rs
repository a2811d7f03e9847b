//! Tests of the filters of the audit trail.

use super::*;

#[test]
fn filters_compare_names_as_accounts_are_compared() {
    let (folder, mut sqlite) = empty_store();
    for (actor, target) in [("Éva", "Straße"), ("eva", "#ÉTÉ"), ("root", "bob")] {
        let entry = NewAudit {
            target: target.to_owned(),
            ..act(actor, "")
        };
        sqlite.append_audit(&entry).unwrap();
    }
    let foreign = "INSERT INTO audit (at, actor, origin, session, act, target, outcome, detail,
                                      previous, hash)
                   SELECT at, CAST(x'ff' AS TEXT), origin, session, act, target, outcome, detail, previous, hash
                   FROM audit WHERE actor = 'root'";
    sqlite.connection.execute(foreign, []).unwrap();
    drop(sqlite);
    let reader = Store::open_reader(&folder.path().join(DATABASE_FILE)).unwrap();
    let found = |actor: &str, target: &str| {
        let filter = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let query = AuditQuery {
            actor: filter(actor),
            target: filter(target),
            limit: 10,
            ..AuditQuery::default()
        };
        let entries = reader.find_audit(&query).unwrap().into_iter();
        entries.map(|entry| entry.entry.actor).collect::<Vec<_>>()
    };
    for actor in ["Éva", "éva", "ÉVA", "e\u{301}va"] {
        assert_eq!(found(actor, ""), ["Éva"], "{actor}");
    }
    assert_eq!(found("EVA", ""), ["eva"]);
    assert_eq!(found("", "#été"), ["eva"]);
    assert_eq!(found("éva", "STRAßE"), ["Éva"]);
    assert!(found("éva", "#été").is_empty());
    assert_eq!(found("ROOT", "BOB"), ["root"]);
}
