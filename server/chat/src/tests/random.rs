//! Random actions of several users, and the invariants that must hold after each.

mod action;
mod world;

use proptest::prelude::*;

use action::{Action, action};
use world::World;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_invariants_hold_after_every_action(
        history in any::<bool>(),
        free_nicks in any::<bool>(),
        actions in prop::collection::vec(action(), 1..120),
    ) {
        let mut world = World::new(history, free_nicks);
        for action in actions {
            world.run_action(action);
        }
    }

    #[test]
    fn the_same_events_produce_the_same_outputs(actions in prop::collection::vec(action(), 1..60)) {
        let outputs = |actions: &[Action]| {
            let mut world = World::new(true, false);
            let mut all = Vec::new();
            for action in actions {
                world.run_action(action.clone());
                let sessions = world.connected.iter();
                let received = sessions.map(|&session| world.harness.peek(session));
                all.push(received.collect::<Vec<_>>());
            }
            all
        };
        prop_assert_eq!(outputs(&actions), outputs(&actions));
    }
}
