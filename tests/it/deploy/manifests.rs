//! Rendered manifests, and how Kubernetes reads them.

use std::collections::BTreeSet;

use serde_json::Value;

/// All resources of a release.
pub struct Manifests(pub Vec<Value>);

impl Manifests {
    pub fn parse(text: &str) -> Self {
        let all: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
        Self(all.into_iter().filter(|one| !one.is_null()).collect())
    }

    /// `Kind/name` of each.
    pub fn names(&self) -> BTreeSet<String> {
        self.0
            .iter()
            .map(|one| format!("{}/{}", text(&one["kind"]), text(&one["metadata"]["name"])))
            .collect()
    }

    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |one| one["kind"] == kind)
    }

    pub fn get(&self, kind: &str, name: &str) -> &Value {
        let found = self.of_kind(kind).find(|one| one["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("{kind}/{name} is not in {:?}", self.names()))
    }

    /// What has pods.
    pub fn workloads(&self) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(|one| one["kind"] == "StatefulSet" || one["kind"] == "Deployment")
    }

    /// The workloads whose pods a selector takes.
    pub fn selected<'a>(&'a self, selector: &'a Value) -> impl Iterator<Item = &'a Value> {
        self.workloads().filter(|workload| selects(selector, workload))
    }
}

/// Whether a selector takes a workload's pods.
pub fn selects(selector: &Value, workload: &Value) -> bool {
    let labels = &workload["spec"]["template"]["metadata"]["labels"];
    let wanted = selector.as_object().unwrap();
    !wanted.is_empty() && wanted.iter().all(|(name, value)| labels[name] == *value)
}

/// The one container of a workload's pods.
pub fn container(workload: &Value) -> &Value {
    match &list(&workload["spec"]["template"]["spec"]["containers"])[..] {
        [one] => one,
        other => panic!("{} containers", other.len()),
    }
}

/// The number of a container's port by its name.
pub fn port(container: &Value, name: &Value) -> Option<u64> {
    list(&container["ports"]).into_iter().find(|port| port["name"] == *name)?["containerPort"].as_u64()
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// The text; none of what is not there.
pub fn text_if_any(value: &Value) -> Option<&str> {
    (!value.is_null()).then(|| text(value))
}

/// The elements of a list; of what is not there, none.
pub fn list(value: &Value) -> Vec<&Value> {
    value.as_array().into_iter().flatten().collect()
}
