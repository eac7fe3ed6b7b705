//! What befalls a cluster. Each may befall one any number of times, and leaves it such that it heals.

mod bucket;
mod kills;
mod members;
mod nodes;
mod parts;

use std::pin::Pin;

use super::nodes::Shape;
use super::world::World;

/// What a fault does.
type Does = for<'a> fn(&'a mut World) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A scenario: a cluster, and what befalls it.
pub struct Scenario {
    /// Its name in the log.
    pub name: &'static str,
    /// The cluster.
    pub shape: Shape,
    /// The fault.
    pub does: Does,
    /// Whether a longest pause of writes is promised for it.
    pub is_quick: bool,
}

macro_rules! scenario {
    ($module:ident :: $name:ident, $shape:expr) => {
        Scenario {
            name: stringify!($name),
            shape: $shape,
            does: |world| Box::pin($module::$name(world)),
            is_quick: false,
        }
    };
}

const PLAIN: Shape = Shape::PLAIN;
const BRIDGED: Shape = Shape::BRIDGED;
const FORGETFUL: Shape = Shape { forget_after: 10, ..PLAIN };

/// All of them.
pub fn all() -> Vec<Scenario> {
    let quick = |scenario| Scenario { is_quick: true, ..scenario };
    let hangs = scenario!(bucket::bucket_away, Shape { on_s3: true, ..PLAIN });
    let mut all = vec![
        quick(scenario!(kills::kill_leader, PLAIN)),
        quick(scenario!(kills::kill_follower, PLAIN)),
        quick(scenario!(kills::kill_control_leader, PLAIN)),
        scenario!(kills::kill_all, PLAIN),
        scenario!(kills::kill_again_and_again, PLAIN),
        scenario!(nodes::stop_and_continue, PLAIN),
        scenario!(nodes::stop_a_follower, PLAIN),
        scenario!(nodes::pulses, PLAIN),
        scenario!(nodes::full_disk, Shape { small_disk: Some((96, 0)), ..PLAIN }),
        scenario!(nodes::nearly_full_disk, Shape { small_disk: Some((96, 24)), ..PLAIN }),
        scenario!(parts::partition_leader, BRIDGED),
        scenario!(parts::partition_follower, BRIDGED),
        scenario!(parts::partition_zone, Shape { first: 5, ..BRIDGED }),
        scenario!(parts::partition_of_two, BRIDGED),
        scenario!(parts::one_way, BRIDGED),
        scenario!(parts::link_of_leader, BRIDGED),
        scenario!(parts::flapping, BRIDGED),
        scenario!(members::rolling_restart, PLAIN),
        scenario!(members::drain_and_replace, PLAIN),
        scenario!(members::replace_the_dead, FORGETFUL),
        scenario!(members::lose_the_disk, FORGETFUL),
        scenario!(members::grow_and_shrink, PLAIN),
        scenario!(bucket::bucket_away, PLAIN),
        Scenario { name: "bucket_hangs", ..hangs },
        scenario!(kills::mixed, BRIDGED),
    ];
    if std::env::var_os("LATEWOOD_FAKETIME").is_some() {
        all.push(scenario!(nodes::clock_jumps, Shape { fake_time: true, ..PLAIN }));
    }
    all
}

/// Those of CI, all on one cluster, one after another.
pub const SHORT: &[(&str, Does)] = &[
    ("kill_leader", |world| Box::pin(kills::kill_leader(world))),
    ("stop_and_continue", |world| Box::pin(nodes::stop_and_continue(world))),
    ("partition_leader", |world| Box::pin(parts::partition_leader(world))),
    ("rolling_restart", |world| Box::pin(members::rolling_restart(world))),
    ("drain_and_replace", |world| Box::pin(members::drain_and_replace(world))),
];
