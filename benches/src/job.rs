//! One thing to measure.

use crate::scale::Scale;
use crate::setting::Setting;
use crate::workload::Workload;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) setting: Setting,
    pub(crate) scale: Scale,
    pub(crate) workload: Workload,
}

/// Each of these with each of those; on hot rows each call changes its row, whatever the workload.
pub(crate) fn each(settings: &[Setting], scales: &[Scale], workloads: &[Workload]) -> Vec<Job> {
    let mut jobs = Vec::new();
    for setting in settings {
        for scale in scales {
            let workloads = match scale {
                Scale::Hot(_) => &[Workload::Changed],
                Scale::One | Scale::Held | Scale::Import(_) => workloads,
            };
            let job = |workload: &Workload| Job {
                setting: *setting,
                scale: *scale,
                workload: *workload,
            };
            jobs.extend(workloads.iter().map(job));
        }
    }
    jobs
}
