//! The chart, rendered by the real Helm.

use std::path::PathBuf;

use super::manifests::Manifests;
use crate::harness::Peers;

/// What the chart is told for mode `distributed` at the least.
pub const DISTRIBUTED: [&str; 2] =
    ["--set=mode=distributed", "--set=config.bucket.url=s3://metrics/latewood"];

/// The chart in this repository.
pub struct Chart {
    pub peers: Peers,
}

impl Chart {
    /// `None` where there is no Helm, as for all real programs.
    pub fn find() -> Option<Self> {
        Peers::find().map(|peers| Self { peers })
    }

    pub fn folder() -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/helm/latewood"))
    }

    /// `--values` with one of the chart's examples.
    pub fn example(name: &str) -> String {
        format!("--values={}", Self::folder().join("ci").join(name).display())
    }

    /// `--values` of a size.
    pub fn size(name: &str) -> String {
        format!("--values={}", Self::folder().join(format!("values-{name}.yaml")).display())
    }

    /// A release named `metrics` in the namespace `monitoring`.
    pub fn render(&self, flags: &[&str]) -> Manifests {
        let rendered = self.try_render(flags).unwrap_or_else(|error| panic!("{flags:?}: {error}"));
        Manifests::parse(&rendered)
    }

    /// The rendered text, or Helm's complaint.
    pub fn try_render(&self, flags: &[&str]) -> Result<String, String> {
        let release = ["template", "metrics", "--namespace=monitoring"];
        self.helm(&[&release, flags].concat())
    }

    /// What Helm prints after an installation.
    pub fn notes(&self, flags: &[&str]) -> String {
        let release = ["install", "metrics", "--namespace=monitoring", "--dry-run=client"];
        let printed =
            self.helm(&[&release, flags].concat()).unwrap_or_else(|error| panic!("{flags:?}: {error}"));
        printed.split_once("\nNOTES:\n").unwrap().1.to_owned()
    }

    /// Checks the chart as strictly as Helm can.
    pub fn lint(&self, flags: &[&str]) -> Result<String, String> {
        self.helm(&[&["lint", "--strict"], flags].concat())
    }

    fn helm(&self, args: &[&str]) -> Result<String, String> {
        // No cluster that this machine knows is asked for anything.
        let mut helm = self.peers.helm();
        let output = helm.env("KUBECONFIG", "/dev/null").args(args).arg(Self::folder()).output().unwrap();
        let [out, error] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        if output.status.success() { Ok(out) } else { Err(format!("{out}{error}")) }
    }
}
