use latewood_base::Ulid;
use latewood_catalog::Founder;

use super::*;

fn founding() -> ClusterRecord {
    ClusterRecord {
        cluster: Ulid::from_parts(7, 9),
        replication_factor: 3,
        shards: vec![1024],
        founders: vec![Founder { node: 255, address: "a:1".to_owned(), zone: "z".to_owned() }],
        at_ms: 5,
    }
}

fn open(dir: &Path, has_groups: bool, joins: bool, seed: u64) -> Result<Option<NodeFile>, String> {
    fs::create_dir_all(dir.join("journal")).unwrap();
    NodeFile::open(dir, has_groups, joins, &Rng::seeded(seed)).map_err(|error| error.to_string())
}

#[test]
fn a_node_keeps_its_number_and_its_cluster() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path(), false, true, 1).unwrap().unwrap();
    assert_eq!(node.founding, None);
    // It may stop before anything is in its journal.
    assert_eq!(open(dir.path(), false, true, 2).unwrap().unwrap(), node);
    let founded = node.of_cluster(dir.path(), founding()).unwrap();
    assert_eq!((founded.node, founded.founding.as_ref()), (node.node, Some(&founding())));
    assert_eq!(open(dir.path(), false, true, 3).unwrap().unwrap(), founded);
    assert_eq!(open(dir.path(), true, true, 4).unwrap().unwrap(), founded);
    let alone = open(dir.path(), true, false, 5).unwrap_err();
    assert!(
        alone.contains("of cluster 00000000070000000000000009") && alone.contains("join_members"),
        "{alone}"
    );
}

#[test]
fn the_file_is_written_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    NodeFile::new(0xab, None).of_cluster(dir.path(), founding()).unwrap();
    let golden = r#"{"version":1,"node":"00000000000000ab","founding":{"cluster":"00000000070000000000000009","replication_factor":3,"shards":[1024],"founders":[{"node":"00000000000000ff","address":"a:1","zone":"z"}],"at_ms":5}}"#;
    assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), golden);
}

#[test]
fn a_lost_journal_makes_another_node_of_the_same_cluster() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path(), false, true, 1).unwrap().unwrap();
    node.of_cluster(dir.path(), founding()).unwrap();
    fs::remove_dir_all(dir.path().join("journal")).unwrap();
    let other = open(dir.path(), false, true, 2).unwrap().unwrap();
    assert!(other.node != node.node && other.founding == Some(founding()));
    assert_eq!(open(dir.path(), true, true, 3).unwrap().unwrap(), other);
}

#[test]
fn a_lost_disk_makes_another_node() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let node = |dir: &Path, seed| open(dir, false, true, seed).unwrap().unwrap().node;
    assert_ne!(node(one.path(), 1), node(two.path(), 2));
    assert_ne!(node(one.path(), 3), 0);
}

#[test]
fn what_does_not_belong_together_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    assert!(open(dir.path(), true, true, 1).unwrap_err().contains("node.json is missing"));
    assert_eq!(open(dir.path(), true, false, 1), Ok(None));
    fs::write(dir.path().join(ALONE), "{}").unwrap();
    let stood_alone = open(dir.path(), true, true, 1).unwrap_err();
    assert!(
        stood_alone.contains("/ingester/flush?wait=true") && stood_alone.contains("empty data directory")
    );
    fs::remove_file(dir.path().join(ALONE)).unwrap();
    open(dir.path(), false, true, 1).unwrap();
    fs::write(dir.path().join(MARK), format!("{:016x}\n", 5)).unwrap();
    assert!(open(dir.path(), true, true, 1).unwrap_err().contains("of node 0000000000000005"));
    for (json, problem) in [
        (r#"{"version":2}"#, "version 2"),
        (r#"{"version":1,"node":"0000000000000000","founding":null}"#, "node is 0"),
        (r#"{"version":1,"node":"7","founding":null}"#, "16 hexadecimal"),
        ("", "EOF"),
    ] {
        fs::write(dir.path().join(FILE), json).unwrap();
        let error = open(dir.path(), false, true, 1).unwrap_err();
        assert!(error.contains(problem) && error.contains("restore it"), "{error}");
    }
}
