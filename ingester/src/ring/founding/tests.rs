//! Many nodes that come when they want, see of each other what they can, and stop anywhere.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::future::join_all;
use latewood_base::Rng;
use latewood_catalog::CatalogConfig;
use latewood_objstore::Bucket;
use latewood_testkit::{Chances, FaultyBucket};
use parking_lot::Mutex;
use proptest::prelude::*;

use super::*;

/// What a node of the model is doing, between which others do something and it may stop.
#[derive(Clone, Debug, Default)]
enum Doing {
    #[default]
    Nothing,
    HasMet(Vec<Met>),
    Founds(ClusterRecord),
    Knows(ClusterRecord),
}

/// A node of the model: what is on its disk, and what is in its memory.
#[derive(Clone, Debug)]
struct Modelled {
    met: Met,
    is_up: bool,
    doing: Doing,
}

#[derive(Debug, Default)]
struct World {
    nodes: Vec<Modelled>,
    bucket: Option<ClusterRecord>,
    /// Every cluster that any node was ever of.
    known: Vec<ClusterRecord>,
    ids: u128,
}

impl World {
    fn new(numbers: &[u64], founders: usize) -> Self {
        let node = |number: &u64| Modelled {
            met: Met {
                node: *number,
                address: format!("node-{number}:1"),
                zone: String::new(),
                founders,
                founding: None,
            },
            is_up: true,
            doing: Doing::Nothing,
        };
        Self { nodes: numbers.iter().map(node).collect(), ..Self::default() }
    }

    /// A node goes one step further; `sees` has the places of those that it can reach.
    fn step(&mut self, place: usize, sees: &[bool]) {
        let node = self.nodes[place].clone();
        if !node.is_up || node.met.founding.is_some() {
            return;
        }
        let doing = match node.doing {
            Doing::Nothing => {
                let seen = self.nodes.iter().zip(sees).filter(|(node, seen)| node.is_up && **seen);
                Doing::HasMet(seen.map(|(node, _)| node.met.clone()).collect())
            }
            Doing::HasMet(met) => {
                let bucket = self.bucket.clone().map_or(InBucket::Nothing, InBucket::Founded);
                match decide(&node.met, &met, bucket) {
                    Step::Adopt(founding) => Doing::Knows(founding),
                    Step::Found(founders) => {
                        self.ids += 1;
                        let cluster = latewood_base::Ulid::from_parts(1, self.ids);
                        let (shards, at_ms) = (vec![1024], 0);
                        Doing::Founds(ClusterRecord {
                            cluster,
                            replication_factor: 3,
                            shards,
                            founders,
                            at_ms,
                        })
                    }
                    Step::Wait(_) => Doing::Nothing,
                }
            }
            Doing::Founds(record) => {
                self.bucket.get_or_insert(record);
                Doing::Nothing
            }
            Doing::Knows(founding) => {
                self.known.push(founding.clone());
                self.nodes[place].met.founding = Some(founding);
                Doing::Nothing
            }
        };
        self.nodes[place].doing = doing;
    }
}

proptest! {
    #[test]
    fn two_clusters_are_never_founded_and_one_always_is(
        count in 1_usize..8, founders in 1_usize..8, seed: u64, steps in 0_usize..200,
    ) {
        let founders = founders.min(count);
        let rng = Rng::seeded(seed);
        let numbers: std::collections::BTreeSet<u64> = (0..count).map(|_| rng.next_u64() | 1).collect();
        let mut world = World::new(&numbers.iter().copied().collect::<Vec<_>>(), founders);
        let count = world.nodes.len();
        world.nodes.iter_mut().for_each(|node| node.is_up = rng.below(2) == 0);
        for _ in 0..steps {
            let place = rng.below(count as u64) as usize;
            match rng.below(8) {
                // It stops, and forgets what it did not write down.
                0 => (world.nodes[place].is_up, world.nodes[place].doing) = (false, Doing::Nothing),
                1 => world.nodes[place].is_up = true,
                _ => {
                    let sees: Vec<bool> = (0..count).map(|_| rng.below(3) > 0).collect();
                    world.step(place, &sees);
                }
            }
        }
        world.nodes.iter_mut().for_each(|node| node.is_up = true);
        for _ in 0..8 {
            for place in 0..count {
                world.step(place, &vec![true; count]);
            }
        }
        let standing = world.bucket.clone().unwrap();
        prop_assert!(world.known.iter().all(|known| *known == standing));
        prop_assert!(world.nodes.iter().all(|node| node.met.founding.as_ref() == Some(&standing)));
        prop_assert_eq!(standing.founders.len(), founders);
        prop_assert!(standing.founders.iter().all(|founder| numbers.contains(&founder.node)));
    }
}

/// Who has started, as all see it.
#[derive(Clone, Default)]
struct Room(Arc<Mutex<BTreeMap<u64, Met>>>);

#[async_trait]
impl Meeting for Room {
    async fn meet(&self) -> Vec<Met> {
        self.0.lock().values().cloned().collect()
    }
}

struct Started {
    bucket: Bucket,
    dir: tempfile::TempDir,
    node: NodeFile,
}

impl Started {
    fn new(bucket: &Bucket, seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("journal")).unwrap();
        let node = NodeFile::open(dir.path(), false, true, &Rng::seeded(seed)).unwrap().unwrap();
        Self { bucket: Arc::clone(bucket), dir, node }
    }

    async fn find(&self, room: &Room, founders: usize, patience: Duration) -> Result<NodeFile, StartError> {
        let clock = Clock::system();
        let ids = Ids::new(clock.clone(), Rng::seeded(self.node.node));
        let config = CatalogConfig { retry_initial_ms: 1, ..CatalogConfig::default() };
        let catalogs = Catalogs::new(Arc::clone(&self.bucket), clock.clone(), ids.clone(), config);
        let this = Met {
            node: self.node.node,
            address: format!("node-{:x}:1", self.node.node),
            zone: String::new(),
            founders,
            founding: self.node.founding.clone(),
        };
        room.0.lock().insert(this.node, this.clone());
        find_cluster(FoundingParts {
            data_dir: self.dir.path().to_owned(),
            node: self.node.clone(),
            this,
            meeting: room,
            replication_factor: 3,
            shards: &|founders| 2 * founders as u32,
            patience,
            catalogs,
            clock,
            ids,
            offload: Offload::new(1),
        })
        .await
    }
}

const LONG: Duration = Duration::from_secs(60);

fn memory() -> Bucket {
    Arc::new(latewood_objstore::MemoryBucket::new())
}

#[tokio::test]
async fn nodes_found_one_cluster_on_a_bucket_that_loses_replies_and_remember_it() {
    let faulty = FaultyBucket::seeded(memory(), 3, Chances { before: 0.2, after: 0.2, read_factor: 0.5 });
    let (bucket, room): (Bucket, _) = (faulty.clone(), Room::default());
    let nodes: Vec<Started> = (0..4).map(|seed| Started::new(&bucket, seed)).collect();
    let founded: Vec<_> = nodes.iter().map(|node| node.find(&room, 4, LONG)).collect();
    let founded: Vec<NodeFile> = join_all(founded).await.into_iter().map(Result::unwrap).collect();
    let founding = founded[0].founding.clone().unwrap();
    assert_eq!((founding.founders.len(), founding.shards.len()), (4, 8));
    assert!(founded.iter().all(|node| node.founding.as_ref() == Some(&founding)));
    // Who has it on its disk needs nobody, and one that comes later finds it in the bucket.
    faulty.heal();
    let dir = nodes[1].dir.path();
    let again = NodeFile::open(dir, false, true, &Rng::seeded(9)).unwrap().unwrap();
    assert_eq!(again, founded[1]);
    let late = Started::new(&bucket, 10);
    assert_eq!(late.find(&Room::default(), 4, LONG).await.unwrap().founding, Some(founding));
}

#[tokio::test]
async fn a_node_that_nobody_joins_says_what_is_missing() {
    let node = Started::new(&memory(), 1);
    let error = node.find(&Room::default(), 3, Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("1 of 3 founders"), "{error}");
}

#[tokio::test]
async fn a_data_directory_does_not_start_on_another_bucket() {
    let (one, two) = (memory(), memory());
    let mut node = Started::new(&one, 1);
    node.node = node.find(&Room::default(), 1, LONG).await.unwrap();
    node.find(&Room::default(), 1, LONG).await.unwrap();
    node.bucket = Arc::clone(&two);
    let error = node.find(&Room::default(), 1, LONG).await.unwrap_err().to_string();
    assert!(error.contains("the bucket has none"), "{error}");
    Started::new(&two, 2).find(&Room::default(), 1, LONG).await.unwrap();
    let error = node.find(&Room::default(), 1, LONG).await.unwrap_err().to_string();
    assert!(error.contains("the bucket has cluster"), "{error}");
}
