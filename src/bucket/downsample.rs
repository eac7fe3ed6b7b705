//! `latewood bucket downsample`: the rollups that are owed, made now by the compactor's own jobs.

use latewood_compactor::{Job, JobKind};

use super::args::DownsampleArgs;
use super::worker::{Worker, described};
use super::{Opened, Report};

/// Does the jobs that make rollups, and those that cut flushed blocks along windows, without which nothing is owed.
pub async fn run(opened: &Opened, args: &DownsampleArgs) -> anyhow::Result<Report> {
    let (mut report, worker) = (Report::default(), Worker::new(opened)?);
    for (catalog, _) in opened.views(&mut report).await? {
        let tenant = catalog.tenant();
        if args.dry_run {
            for job in worker.planned(&catalog).await?.iter().filter(|job| is_owed(job)) {
                report.line(&format!("tenant {tenant}: would {}", described(job)));
            }
            continue;
        }
        if let Err(error) = worker.work_on(&catalog, &is_owed, &mut report).await {
            report.wrong(format!("tenant {tenant}: {error}"));
            continue;
        }
        // What another compactor is at.
        let left = worker.planned(&catalog).await?.iter().filter(|job| is_owed(job)).count();
        match left {
            0 => report.line(&format!("tenant {tenant}: nothing is owed")),
            left => report.line(&format!("tenant {tenant}: {left} jobs are left to whoever is at them")),
        }
    }
    worker.end(&mut report);
    Ok(report)
}

fn is_owed(job: &Job) -> bool {
    job.rollups.is_some() || job.kind == JobKind::Align
}
