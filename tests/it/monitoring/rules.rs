//! Alerts, their unit tests and their runbooks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::dashboards::folder;
use crate::harness::Peers;

/// An alert of the rules.
pub struct Alert {
    pub name: String,
    pub expression: String,
    json: Value,
}

/// The file of the rules.
pub fn rules_file() -> PathBuf {
    folder().join("alerts.yaml")
}

fn tests_file() -> PathBuf {
    root().join("deploy/monitoring/alerts_test.yaml")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn yaml(path: &Path) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

impl Alert {
    /// All that are shipped.
    pub fn all() -> Vec<Self> {
        let groups = yaml(&rules_file());
        let groups = groups["groups"].as_array().unwrap().iter();
        let rules = groups.flat_map(|group| group["rules"].as_array().unwrap().clone());
        let alert = |json: Value| {
            let text = |field: &str| json[field].as_str().unwrap().to_owned();
            Self { name: text("alert"), expression: text("expr"), json }
        };
        let all: Vec<Self> = rules.map(alert).collect();
        assert!(all.len() > 30, "{} alerts were found", all.len());
        all
    }

    fn runbook(&self) -> PathBuf {
        root().join("docs/runbooks").join(format!("{}.md", self.name))
    }
}

#[test]
fn promtool_takes_the_rules_and_each_alert_fires_in_its_test() {
    let Some(peers) = Peers::find() else { return };
    let promtool = |args: &[&str], file: &Path| {
        let output = peers.program("promtool").args(args).arg(file).output().unwrap();
        assert!(
            output.status.success(),
            "{args:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    };
    promtool(&["check", "rules", "--lint=all", "--lint-fatal"], &rules_file());
    promtool(&["test", "rules"], &tests_file());
}

#[test]
fn each_alert_has_a_test_in_which_it_alone_fires() {
    let tests = yaml(&tests_file());
    let mut fires = BTreeMap::<String, usize>::new();
    let mut quiet = 0;
    for test in tests["tests"].as_array().unwrap() {
        for case in test["promql_expr_test"].as_array().unwrap() {
            assert!(case["expr"].as_str().unwrap().contains("ALERTS{alertstate=\"firing\"}"), "{case}");
            match &case["exp_samples"].as_array().unwrap()[..] {
                [] => quiet += 1,
                [one] => {
                    let labels = format!("{{alertname={}}}", test["name"]);
                    assert_eq!(one["labels"], labels, "the test is named by its alert");
                    *fires.entry(test["name"].as_str().unwrap().to_owned()).or_default() += 1;
                }
                _ => panic!("more than one alert fires: {case}"),
            }
        }
    }
    let alerts: BTreeSet<String> = Alert::all().into_iter().map(|alert| alert.name).collect();
    assert_eq!(fires.into_keys().collect::<BTreeSet<_>>(), alerts);
    assert_eq!(quiet, 1, "a cluster that is well");
}

#[test]
fn each_alert_has_a_runbook_that_says_what_it_asks_and_each_runbook_an_alert() {
    let alerts = Alert::all();
    for alert in &alerts {
        let (labels, notes) = (&alert.json["labels"], &alert.json["annotations"]);
        assert!(alert.name.starts_with("Latewood"), "{}", alert.name);
        assert!(["critical", "warning", "info"].iter().any(|one| labels["severity"] == *one), "{labels}");
        for field in ["summary", "description"] {
            assert!(notes[field].as_str().is_some_and(|text| !text.is_empty()), "{}: {field}", alert.name);
        }
        let url = notes["runbook_url"].as_str().unwrap();
        assert!(url.ends_with(&format!("/docs/runbooks/{}.md", alert.name)), "{url}");
        let text = std::fs::read_to_string(alert.runbook()).unwrap();
        for part in ["## Meaning", "## Impact", "## Diagnosis", "## Mitigation"] {
            assert!(text.contains(part), "{}: {part}", alert.name);
        }
        assert!(
            text.contains(&format!("\n    {}\n", alert.expression)),
            "{}: another expression",
            alert.name
        );
    }
    let named: BTreeSet<PathBuf> = alerts.iter().map(Alert::runbook).collect();
    let index = root().join("docs/runbooks/README.md");
    let files = root().join("docs/runbooks").read_dir().unwrap().map(|file| file.unwrap().path());
    assert_eq!(files.filter(|file| *file != index).collect::<BTreeSet<_>>(), named);
    let index = std::fs::read_to_string(index).unwrap();
    for alert in &alerts {
        assert!(index.contains(&format!("({}.md)", alert.name)), "{}", alert.name);
    }
}

/// `section.setting` of Latewood, and values of the chart.
#[test]
fn what_runbooks_and_dashboards_say_can_be_set_is_there() {
    let settings = std::fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let values = yaml(&folder().join("../values.yaml"));
    let is_setting = |name: &str| {
        let (section, setting) = name.rsplit_once('.').unwrap();
        let section = settings.split_once(&format!("\n## `{section}`\n"));
        let rows = section.map(|(_, rest)| rest.split("\n## ").next().unwrap());
        settings.contains(&format!("\n## `{name}`\n"))
            || rows.is_some_and(|rows| rows.contains(&format!("| `{setting}` |")))
    };
    let is_value = |name: &str| name.split('.').try_fold(&values, |at, key| at.get(key)).is_some();
    let files =
        ["docs/runbooks", "deploy/helm/latewood/monitoring/dashboards"].map(|folder| root().join(folder));
    let files = files.iter().flat_map(|folder| folder.read_dir().unwrap().map(|file| file.unwrap().path()));
    let mut found = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && !"._/-".contains(letter));
        let sections =
            ["ingester", "querier", "store_gateway", "compactor", "catalog", "bucket", "networkPolicy"];
        let named = words
            .map(|word| word.trim_end_matches('.'))
            .filter(|word| word.split_once('.').is_some_and(|(section, _)| sections.contains(&section)));
        for name in named {
            assert!(is_setting(name) || is_value(name), "{}: nothing is called {name}", file.display());
            found += 1;
        }
    }
    assert!(found > 20, "{found}");
}
