//! Admitted sessions, and which of them make room for others.

use std::collections::BTreeMap;

use super::*;
use crate::simulation::random::Random;

const SHARED: &str = "10.0.0.1";

/// Opens a session of each owner, from one address.
fn sessions(door: &Door, owners: impl IntoIterator<Item = Owner>) -> Vec<ConnectionPermit> {
    let open = |owner| {
        let permit = door.connect(SHARED).expect("a place");
        assert_eq!(door.sign_in(&permit, owner), Ok(None));
        permit
    };
    owners.into_iter().map(open).collect()
}

#[test]
fn accounts_with_many_sessions_keep_nobody_out_of_their_address() {
    let mut door = Door::new(Connections::default(), limits(0, 100));
    let mut crowd = sessions(&door, (0..90).map(|index| account(index % 5)));
    let _strangers: Vec<_> = (0..10)
        .map(|_| door.connect(SHARED).expect("a place that is reserved"))
        .collect();
    let mut neighbours = Vec::new();
    for number in 100..185 {
        door.now += MAX_TURN;
        let neighbour = door.connect(SHARED).expect("it displaces a stranger");
        let displaced = door.sign_in(&neighbour, account(number));
        let displaced = displaced.expect("it is admitted").expect("for another");
        let newest = crowd.len() - 5..;
        assert!(crowd[newest].iter().any(|permit| permit.id == displaced));
        crowd.retain(|permit| permit.id != displaced);
        neighbours.push(neighbour);
    }
    door.now += MAX_TURN;
    let late = door.connect(SHARED).expect("it displaces a stranger");
    let refused = door.sign_in(&late, account(200));
    assert_eq!(refused, Err(NotAdmitted::TooMany), "each has one session");
    assert!(!neighbours.iter().any(ConnectionPermit::is_displaced));
}

#[tokio::test]
async fn a_session_that_is_displaced_is_notified_and_no_longer_counts() {
    let door = Door::new(Connections::default(), limits(0, 10));
    let open = sessions(&door, [account(1); 9]);
    let new = door.connect(SHARED).expect("a place that is reserved");
    assert_eq!(door.sign_in(&new, account(2)), Ok(Some(open[8].id)));
    open[8].displaced().await;
    assert_eq!(door.connections.count(), 10, "it is not closed yet");
    assert!(door.connect(SHARED).is_some());
}

#[test]
fn an_account_that_has_its_share_displaces_its_own_oldest_session() {
    let door = Door::new(Connections::default(), limits(0, 10));
    let owners = [1, 1, 1, 1, 1, 2, 2, 2, 2];
    let open = sessions(&door, owners.map(account));
    let new: Vec<_> = [(1, 0), (2, 5)]
        .map(|(owner, oldest)| {
            let new = door.connect(SHARED).expect("a place that is reserved");
            let displaced = door.sign_in(&new, account(owner));
            assert_eq!(displaced, Ok(Some(open[oldest].id)));
            new
        })
        .into();
    assert!(!new.iter().any(ConnectionPermit::is_displaced));
}

#[test]
fn sessions_elsewhere_do_not_count() {
    let door = Door::new(Connections::default(), limits(0, 10));
    let _elsewhere = [(); 3].map(|()| {
        let permit = door.connect("10.0.0.0").expect("a place");
        assert_eq!(door.sign_in(&permit, account(1)), Ok(None));
        permit
    });
    let _open = sessions(&door, (1..10).map(account));
    let new = door.connect(SHARED).expect("a place that is reserved");
    let refused = door.sign_in(&new, account(10));
    assert_eq!(refused, Err(NotAdmitted::TooMany));
}

/// Nobody knows whose the others are, and an attacker could be each of them.
#[test]
fn guests_are_one_owner_and_do_not_displace_each_other() {
    let door = Door::new(Connections::default(), limits(0, 10));
    let open = sessions(&door, [guests(SHARED); 9]);
    let new = door.connect(SHARED).expect("a place that is reserved");
    let refused = door.sign_in(&new, guests(SHARED));
    assert_eq!(refused, Err(NotAdmitted::TooMany));
    assert_eq!(door.sign_in(&new, account(1)), Ok(Some(open[8].id)));
}

#[test]
fn a_guest_who_signs_in_counts_for_the_account() {
    let door = Door::new(Connections::default(), limits(0, 10));
    let open = sessions(&door, [guests(SHARED); 9]);
    for permit in &open[..6] {
        permit.set_owner(account(1));
    }
    let new = door.connect(SHARED).expect("a place that is reserved");
    assert_eq!(door.sign_in(&new, guests(SHARED)), Ok(Some(open[5].id)));
}

/// A connection of the random world.
struct Known {
    permit: ConnectionPermit,
    address: usize,
    owner: Option<Owner>,
}

const ADDRESSES: [&str; 6] = [
    "10.0.0.1",
    "10.0.0.2",
    "2001:db8:0:1::1",
    "2001:db8:0:2::1",
    "2001:db8:0:3::1",
    "2001:db8:0:4::1",
];

/// Returns the addresses that are counted together with this one: the network, the site and all.
fn groups(address: usize) -> [(Vec<usize>, usize); 3] {
    let site = if address < 2 {
        vec![address]
    } else {
        (2..6).collect()
    };
    [(vec![address], 20), (site, 80), ((0..6).collect(), 60)]
}

#[test]
fn in_random_worlds_no_session_is_displaced_by_someone_who_has_more() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let mut door = Door::new(Connections::default(), limits(60, 20));
        let mut open: Vec<Known> = Vec::new();
        let (mut displaced_in, mut refused) = (0, 0);
        for _ in 0..1000 {
            door.now += MAX_TURN;
            if !open.is_empty() && random.below(8) == 0 {
                open.swap_remove(random.below(open.len()));
            }
            let address = random.below(ADDRESSES.len());
            let Some(permit) = door.connect(ADDRESSES[address]) else {
                // In total, one waits for the place of a stranger that is still closing.
                open.retain(|known| !known.permit.is_displaced());
                continue;
            };
            open.retain(|known| !known.permit.is_displaced());
            let owner = match random.below(12) {
                0..2 => guests(ADDRESSES[address]),
                number => account((number * number / 12) as u64),
            };
            if random.below(4) == 0 {
                open.push(Known {
                    permit,
                    address,
                    owner: None,
                });
                continue;
            }
            let counts = |addresses: &[usize]| {
                let mut counts: BTreeMap<Owner, Vec<u64>> = BTreeMap::new();
                for known in &open {
                    if let Some(owner) = known.owner.filter(|_| addresses.contains(&known.address))
                    {
                        counts.entry(owner).or_default().push(known.permit.id);
                    }
                }
                for ids in counts.values_mut() {
                    ids.sort_unstable();
                }
                counts
            };
            let full = groups(address).into_iter().find_map(|(addresses, limit)| {
                let counts = counts(&addresses);
                let admitted: usize = counts.values().map(Vec::len).sum();
                assert!(admitted <= limit - limit / 10);
                (admitted == limit - limit / 10).then_some(counts)
            });
            let result = door.sign_in(&permit, owner);
            let most = |counts: &BTreeMap<Owner, Vec<u64>>| counts.values().map(Vec::len).max();
            let own = |counts: &BTreeMap<Owner, Vec<u64>>| counts.get(&owner).map_or(0, Vec::len);
            match (result, full) {
                (Ok(None), None) => {}
                (Ok(Some(displaced)), Some(counts)) => {
                    displaced_in += 1;
                    let (loser, ids) = counts
                        .iter()
                        .find(|(_, ids)| ids.contains(&displaced))
                        .expect("it is counted there");
                    if *loser == owner {
                        assert!(matches!(owner, Owner::Account(_)));
                        assert_eq!(Some(&displaced), ids.first());
                        assert!(most(&counts) <= Some(own(&counts) + 1));
                    } else {
                        assert_eq!(Some(&displaced), ids.last());
                        assert_eq!(most(&counts), Some(ids.len()));
                        assert!(ids.len() >= own(&counts) + 2);
                    }
                    open.retain(|known| known.permit.id != displaced);
                }
                (Err(NotAdmitted::TooMany), Some(counts)) => {
                    refused += 1;
                    assert!(most(&counts) <= Some(own(&counts) + 1));
                    assert!(own(&counts) == 0 || matches!(owner, Owner::Guests(_)));
                }
                (result, full) => panic!("seed {seed}: {result:?} with {full:?}"),
            }
            if result.is_ok() {
                open.push(Known {
                    permit,
                    address,
                    owner: Some(owner),
                });
            }
        }
        assert!(displaced_in > 0 && refused > 0, "seed {seed}");
        drop(open);
        let counts = door.connections.counts.lock();
        assert!(counts.groups.is_empty() && counts.shares.is_empty());
    }
}
