//! Latewood as its clients see it, whichever processes it is made of.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use super::process::lasting_port;
use super::{Latewood, Peers, SeaweedFs};

/// Which processes serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `latewood all`.
    OneProcess,
    /// An ingester, two store-gateways, two queriers and a compactor, over gRPC.
    Roles,
}

impl Layout {
    /// The processes: names and roles. The first takes writes; those who are asked come before those who ask.
    fn processes(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::OneProcess => &[("data", "all")],
            Self::Roles => &[
                ("ingester", "ingester"),
                ("store-gateway-0", "store-gateway"),
                ("store-gateway-1", "store-gateway"),
                ("querier-0", "querier"),
                ("querier-1", "querier"),
                ("compactor", "compactor"),
            ],
        }
    }
}

/// All processes of a Latewood on one bucket. Each comes back with its data folder, at its address.
pub struct Deployment {
    members: Vec<Member>,
    folder: PathBuf,
    flags: Vec<String>,
    /// Dropped last: those who use it end first.
    s3: Option<SeaweedFs>,
}

/// A process, running or not.
struct Member {
    /// Also of its data folder.
    name: &'static str,
    role: &'static str,
    http_addr: String,
    grpc_addr: String,
    running: Option<Latewood>,
}

impl Deployment {
    /// Starts it on a bucket that is a directory; all its data lie below `folder`.
    pub fn on_a_directory(layout: Layout, folder: &Path, flags: &[&str]) -> Self {
        let bucket = folder.join("bucket");
        std::fs::create_dir(&bucket).unwrap();
        let bucket = format!("--bucket=file://{}", bucket.display());
        Self::start(layout, folder, &[&[bucket.as_str()], flags].concat(), None)
    }

    /// Starts it on a SeaweedFS of its own.
    pub async fn on_s3(layout: Layout, peers: &Peers, folder: &Path, flags: &[&str]) -> Self {
        let s3 = SeaweedFs::start(peers, folder).await;
        let endpoint = format!("--s3-endpoint={}", s3.endpoint);
        let bucket = ["--bucket=s3://latewood/some/prefix", endpoint.as_str()];
        Self::start(layout, folder, &[&bucket, flags].concat(), Some(s3))
    }

    fn start(layout: Layout, folder: &Path, flags: &[&str], s3: Option<SeaweedFs>) -> Self {
        let member = |&(name, role)| Member {
            name,
            role,
            http_addr: format!("127.0.0.1:{}", lasting_port()),
            grpc_addr: format!("127.0.0.1:{}", lasting_port()),
            running: None,
        };
        let members = layout.processes().iter().map(member).collect();
        let flags = flags.iter().map(|&flag| flag.to_owned()).collect();
        let mut deployment = Self { members, folder: folder.to_owned(), flags, s3 };
        deployment.start_all();
        deployment
    }

    /// The names of the processes.
    pub fn names(&self) -> Vec<&'static str> {
        self.members.iter().map(|member| member.name).collect()
    }

    /// Where samples are written, `http://host:port`.
    pub fn write_url(&self) -> String {
        self.members[0].url()
    }

    /// Where queries are answered, by each process that does.
    pub fn query_urls(&self) -> Vec<String> {
        let answers = |member: &&Member| ["all", "querier"].contains(&member.role);
        self.members.iter().filter(answers).map(Member::url).collect()
    }

    /// The address of a process.
    pub fn url_of(&self, name: &str) -> String {
        self.members.iter().find(|member| member.name == name).unwrap().url()
    }

    /// The data folder of a process.
    pub fn data_of(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The S3 server below it.
    pub fn s3(&self) -> Option<&SeaweedFs> {
        self.s3.as_ref()
    }

    /// Freezes all that is in memory and waits until it lies in blocks.
    pub async fn flush(&self) {
        self.members[0].running.as_ref().unwrap().flush().await;
    }

    /// Starts the processes that do not run, all at once.
    pub fn start_all(&mut self) {
        let commands: Vec<Command> = self.members.iter().map(|member| self.command(member)).collect();
        let folder = &self.folder;
        thread::scope(|scope| {
            for (member, mut command) in self.members.iter_mut().zip(commands) {
                if member.running.is_none() {
                    scope.spawn(move || {
                        let started = Latewood::try_start_command(&folder.join(member.name), &mut command);
                        let started = started.unwrap_or_else(|log| panic!("{}: {log}", member.name));
                        member.running = Some(started);
                    });
                }
            }
        });
    }

    /// kill -9 of one process; [`Deployment::start_all`] brings it back.
    pub fn kill(&mut self, name: &str) {
        let member = self.members.iter_mut().find(|member| member.name == name).unwrap();
        member.running.take().unwrap().kill();
    }

    /// kill -9 of all processes, those who ask first.
    pub fn kill_all(&mut self) {
        self.members.iter_mut().rev().filter_map(|member| member.running.take()).for_each(Latewood::kill);
    }

    /// A good end of all processes, those who ask first.
    pub fn stop_all(&mut self) {
        self.members.iter_mut().rev().filter_map(|member| member.running.take()).for_each(Latewood::stop);
    }

    fn command(&self, member: &Member) -> Command {
        let mut command = Latewood::command(member.role, &self.data_of(member.name));
        command
            .arg(format!("--http-addr={}", member.http_addr))
            .arg(format!("--grpc-addr={}", member.grpc_addr))
            .args(&self.flags);
        if self.s3.is_some() {
            command.envs(SeaweedFs::CREDENTIALS);
        }
        if member.role == "querier" {
            for peer in self.members.iter().filter(|peer| ["ingester", "store-gateway"].contains(&peer.role))
            {
                command.arg(format!("--{}-addr={}", peer.role, peer.grpc_addr));
            }
        }
        command
    }
}

impl Member {
    fn url(&self) -> String {
        format!("http://{}", self.http_addr)
    }
}
