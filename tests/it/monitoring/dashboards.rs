//! Dashboards, as files and as Grafana reads them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

/// Where dashboards and rules are: in the chart, which may read no file outside of it.
pub fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/helm/latewood/monitoring"))
}

/// A query of a panel.
pub struct PanelQuery {
    /// The dashboard's uid and the panel's title.
    pub panel: String,
    /// As it is in the file.
    pub expression: String,
}

impl PanelQuery {
    /// What Grafana would ask with everything chosen.
    pub fn substituted(&self) -> String {
        let mut expression = self.expression.replace("$__rate_interval", "20s");
        for variable in ["$namespace", "$job", "$tenant"] {
            expression = expression.replace(variable, ".*");
        }
        assert!(!expression.contains('$'), "{}: a variable is unknown: {expression}", self.panel);
        expression
    }

    /// The queries of all dashboards.
    pub fn all() -> Vec<Self> {
        let of = |(_, dashboard): &(String, Value)| panels(dashboard).iter().flat_map(queries).collect();
        let found: Vec<Self> = all().iter().map(of).collect::<Vec<Vec<_>>>().into_iter().flatten().collect();
        assert!(found.len() > 100, "{} queries were found", found.len());
        found
    }
}

/// Each dashboard with the name of its file.
fn all() -> Vec<(String, Value)> {
    let files = folder().join("dashboards").read_dir().unwrap().map(|file| file.unwrap().path());
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.file_stem().unwrap().to_string_lossy().into_owned(), serde_json::from_str(&text).unwrap())
    };
    files.map(read).collect()
}

/// A panel that shows something, with its dashboard's uid.
struct Panel<'a>(&'a str, &'a Value);

fn panels(dashboard: &Value) -> Vec<Panel<'_>> {
    let uid = dashboard["uid"].as_str().unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    panels.filter(|panel| panel["type"] != "row").map(|panel| Panel(uid, panel)).collect()
}

fn queries(panel: &Panel<'_>) -> Vec<PanelQuery> {
    let Panel(uid, panel) = panel;
    let name = format!("{uid}: {}", panel["title"].as_str().unwrap_or_default());
    let targets = panel["targets"].as_array().unwrap().iter();
    let query = |target: &Value| PanelQuery {
        panel: name.clone(),
        expression: target["expr"].as_str().unwrap().to_owned(),
    };
    targets.map(query).collect()
}

#[test]
fn dashboards_say_what_they_show() {
    let names: BTreeSet<String> = all().into_iter().map(|(name, _)| name).collect();
    let wanted = ["compaction", "object-store", "reads", "tenants", "writes"];
    assert_eq!(names, wanted.map(|name| format!("latewood-{name}")).into());
    for (name, dashboard) in all() {
        assert_eq!(dashboard["uid"], *name, "links name a dashboard by its uid");
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        let variables: BTreeSet<&str> = variables.iter().map(|one| one["name"].as_str().unwrap()).collect();
        let (mut titles, mut ids) = (BTreeSet::new(), BTreeSet::new());
        for panel in panels(&dashboard) {
            let Panel(_, json) = panel;
            let texts = [&json["title"], &json["description"], &json["fieldConfig"]["defaults"]["unit"]];
            assert!(texts.iter().all(|text| text.as_str().is_some_and(|text| !text.is_empty())), "{json}");
            assert!(
                titles.insert(json["title"].as_str().unwrap()),
                "{name} has two panels {}",
                json["title"]
            );
            assert!(ids.insert(json["id"].as_u64().unwrap()), "{json}");
            assert_eq!(json["datasource"]["uid"], "${datasource}", "{json}");
            for query in queries(&panel) {
                let chosen = |variable: &str| query.expression.contains(&format!("=~\"${variable}\""));
                assert!(chosen("namespace") && chosen("job"), "{}: {}", query.panel, query.expression);
                assert!(!chosen("tenant") || variables.contains("tenant"), "{}", query.panel);
            }
        }
        assert!(["datasource", "namespace", "job"].iter().all(|one| variables.contains(one)), "{name}");
        no_panel_covers_another(&name, &dashboard);
    }
}

fn no_panel_covers_another(name: &str, dashboard: &Value) {
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        assert!(x + w <= 24, "{name}: {} is too wide", panel["title"]);
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{name}: {} covers another panel", panel["title"]);
        }
    }
}
